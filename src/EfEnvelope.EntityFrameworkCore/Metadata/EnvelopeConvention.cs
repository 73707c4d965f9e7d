using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Metadata.Conventions;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// Gives every marked property its converter and its column length. Whatever cannot be encrypted safely is refused here, all faults in one message.
/// </summary>
internal sealed class EnvelopeConvention(
    IRelationalTypeMappingSource typeMappings, IValueConverterSelector converters, IDatabaseProvider provider)
    : IModelInitializedConvention, IModelFinalizingConvention
{
    private readonly bool _isSqlServer = provider.Name == "Microsoft.EntityFrameworkCore.SqlServer";

    public void ProcessModelInitialized(IConventionModelBuilder modelBuilder, IConventionContext<IConventionModelBuilder> context)
        => ((IMutableModel)modelBuilder.Metadata).SetAnnotation(EnvelopeAnnotations.Enabled, true);

    public void ProcessModelFinalizing(IConventionModelBuilder modelBuilder, IConventionContext<IConventionModelBuilder> context)
    {
        var model = (IMutableModel)modelBuilder.Metadata;
        model.RemoveAnnotation(EnvelopeAnnotations.Enabled);
        var faults = new List<string>(MarkedMembers.FindUnmapped(model));
        foreach (var type in model.GetEntityTypes().Where(IsReadBySql))
            type.SetTableName(null);
        var columns = new List<EncryptedColumn>();
        foreach (var property in MarkedMembers.FindProperties(model))
        {
            var mark = EnvelopeAnnotations.FindMark(property)!;
            List<string> found = [.. EnvelopeRules.FindFaults(property, mark)];
            if (found.Count == 0 && EncryptedColumn.Create(property, mark, found) is { } column)
                columns.Add(column);
            faults.AddRange(found);
        }

        // What shares a column with something unique is unique as well: all that is in the column is compared.
        var unique = columns.Where(c => c.IsUnique).SelectMany(c => c.Columns).ToHashSet();
        foreach (var column in columns)
        {
            column.IsUnique |= column.Columns.Any(unique.Contains);
            Encrypt(column, EnvelopeAnnotations.FindMark(column.Property)!, faults);
        }

        faults.AddRange(MarkedMembers.FindBackfillingPlain(model).Select(EnvelopeMessages.BackfillingWithoutEncryption));
        faults.AddRange(FindContextConflicts(columns));
        var names = new ColumnNames(model);
        var next = new NextColumns(model, names);
        var indexes = new BlindIndexBuilding(model, columns, next, names);
        faults.AddRange(indexes.FindFaults());
        if (faults.Count == 0)
        {
            indexes.Build();
            foreach (var column in columns.Where(c => c.IsUnique))
                next.Add(column.Property, column.IsText ? typeof(TextEnvelope) : typeof(Envelope));
            next.CopyIndexes();
            faults.AddRange(next.Faults);
            if (_isSqlServer)
                faults.AddRange(SqlServerIndexes.FindFaults(model));
        }

        if (faults.Count > 0)
            throw new EnvelopeConfigurationException(string.Join(Environment.NewLine, faults));
    }

    // Of a set ('DbSet<T>'), EF Core keeps the name as that of a table, also if SQL or a function takes its place, or the type is of one query only.
    private static bool IsReadBySql(IMutableEntityType type)
        => type is IConventionEntityType conventional
            && (conventional.GetSqlQueryConfigurationSource() is not null
                || conventional.GetFunctionNameConfigurationSource() is not null
                || type.Model.FindAnnotation("AdHocModel") is not null)
            && conventional.GetTableNameConfigurationSource() is null or ConfigurationSource.Convention
            && type.GetDerivedTypesInclusive().SelectMany(MarkedMembers.FindTypes)
                .Any(t => t.GetProperties().Any(p => EnvelopeAnnotations.FindMark(p) is not null));

    private void Encrypt(EncryptedColumn column, EncryptedAttribute mark, List<string> allFaults)
    {
        var faults = new List<string>();
        Encrypt(column.Property, mark, column, faults);
        allFaults.AddRange(faults);
    }

    private void Encrypt(IMutableProperty property, EncryptedAttribute mark, EncryptedColumn column, List<string> faults)
    {
        var clrType = Nullable.GetUnderlyingType(property.ClrType) ?? property.ClrType;
        var usual = typeMappings.FindMapping((IProperty)property);
        var userConverter = FindUserConverter(property, clrType);
        var plainType = userConverter is null ? clrType : Unwrap(userConverter.ProviderClrType);
        if (!PlaintextCodecs.IsScalar(plainType) && (userConverter is not null || !IsCollection(usual) || !CodecFacts.ReadsBack(plainType)))
        {
            var own = userConverter;
            userConverter = FindBuiltInConverter(plainType) is { } builtIn ? own?.ComposeWith(builtIn) ?? builtIn : null;
            if (userConverter is null)
            {
                faults.Add(EnvelopeMessages.TypeNotSupported(EnvelopeRules.NameOf(property), plainType.Name));
                return;
            }

            plainType = Unwrap(userConverter.ProviderClrType);
        }

        if (property.GetElementType() is { } element && (element.GetValueConverter() is not null || element.GetProviderClrType() is not null))
        {
            faults.Add(EnvelopeMessages.ElementConverter(EnvelopeRules.NameOf(property)));
            return;
        }

        column.PlaintextType = CodecFacts.TypeName(plainType);
        if (column.IsText && plainType != typeof(string))
            faults.Add(EnvelopeMessages.TextNeedsString(column.Name, plainType.Name));
        if (mark.Mode == EncryptionMode.Deterministic && !CodecFacts.EqualValuesHaveEqualBytes(column.PlaintextType))
            faults.Add(EnvelopeMessages.TypeNotComparable(column.Name, column.PlaintextType));
        if (faults.Count > 0)
            return;

        var sealing = EnvelopeConverters.Create(plainType, column);
        var comparer = FindComparer(property, clrType, usual);
        var maxLength = CodecFacts.MaxLength(plainType, property.GetMaxLength() ?? userConverter?.MappingHints?.Size) + FieldCipher.OverheadOf(column.Algorithm);
        if (_isSqlServer && mark.Mode == EncryptionMode.Deterministic && SqlServerIndexes.FindLimit(property) is { } limit)
        {
            var maxIndexed = column.IsText ? TextEnvelope.EnvelopeLengthIn(limit / (property.IsUnicode() == false ? 1 : 2)) : limit;
            if (maxLength > maxIndexed)
                faults.Add(EnvelopeMessages.IndexTooLong(column.Name, limit, (maxIndexed - FieldCipher.OverheadOf(column.Algorithm)) / 3));
        }

        property.SetElementType(null);
        property.SetProviderClrType(null);
        property.SetValueConverter(userConverter?.ComposeWith(sealing) ?? sealing);
        property.SetValueComparer(comparer);
        property.SetMaxLength(column.IsText && maxLength is not null ? TextEnvelope.LengthOf(maxLength.Value) : maxLength);
        property.SetPrecision(null);
        property.SetScale(null);
        if (!column.IsText)
            property.SetIsUnicode(null);
        property.SetIsFixedLength(null);
        property.SetAnnotation(EnvelopeAnnotations.Encrypted, mark.Mode.ToString());
        property.SetAnnotation(EnvelopeAnnotations.Context, column.Field);
        property.SetAnnotation(EnvelopeAnnotations.PlaintextType, column.PlaintextType);
        if (column.IsText)
            property.SetAnnotation(EnvelopeAnnotations.Storage, mark.Storage.ToString());
    }

    // EF Core takes no copy of a byte[], so that it would miss a change in place, which is then lost. A comparer of the user's own stays.
    private static ValueComparer? FindComparer(IMutableProperty property, Type clrType, CoreTypeMapping? usual)
    {
        var comparer = property.GetValueComparer() ?? usual?.Comparer;
        return clrType == typeof(byte[]) && comparer?.GetType() == ValueComparer.CreateDefault(clrType, favorStructuralComparisons: false).GetType()
            ? new ValueComparer<byte[]>(favorStructuralComparisons: true)
            : comparer;
    }

    private ValueConverter? FindUserConverter(IMutableProperty property, Type clrType)
        => property.GetValueConverter()
            ?? (property.GetProviderClrType() is { } provider && Unwrap(provider) != clrType
                ? converters.Select(clrType, Unwrap(provider)).FirstOrDefault().Create()
                : null);

    // Types that EF Core itself keeps as text or bytes everywhere, such as Uri and IPAddress.
    private ValueConverter? FindBuiltInConverter(Type clrType)
        => converters.Select(clrType).Where(c => PlaintextCodecs.IsScalar(Unwrap(c.ProviderClrType))).Select(c => c.Create()).FirstOrDefault();

    // Of scalars, however deep: anything else has no JSON that is sure to read back.
    private static bool IsCollection(CoreTypeMapping? mapping)
        => mapping?.ElementTypeMapping is { } element && (PlaintextCodecs.IsScalar(Unwrap(element.ClrType)) || IsCollection(element));

    private static Type Unwrap(Type type) => Nullable.GetUnderlyingType(type) ?? type;

    // Two columns bound to one name could be exchanged without anybody noticing, unless the name was given to join them on purpose.
    // Properties that share a column share its name rightly.
    private static IEnumerable<string> FindContextConflicts(List<EncryptedColumn> columns)
        => columns.Where(c => !c.IsExplicit)
            .GroupBy(c => c.Field)
            .Where(g => g.Any(c => !c.Columns.Intersect(g.First().Columns).Any()))
            .Select(g => EnvelopeMessages.ContextShared(g.Key, g.Select(c => c.Name).Distinct()));
}
