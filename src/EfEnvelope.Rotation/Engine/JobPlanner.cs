using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>Checks a request against the database as it is, and says what it would do.</summary>
internal sealed class JobPlanner(DatabaseSource source, KeyAdministration keys)
{
    public async Task<JobPlan> PlanAsync(Session session, JobRequest request, CancellationToken cancellationToken)
    {
        Validate(request);
        await RequireSupportedAsync(session, cancellationToken).ConfigureAwait(false);
        var scope = await keys.ResolveScopeAsync(request.Scope, mayBeNew: request.Kind == JobKind.Backfill, cancellationToken).ConfigureAwait(false);
        if (request.Kind == JobKind.Rotate)
        {
            KeyRingAdministration.RequireDelay(request.ActivationDelay ?? source.Options.ActivationDelay, source.Options);
            return new JobPlan { Request = request, Scope = scope.Name, Columns = [RotationMessages.PlanRotates(scope, request.IncludeSearch)] };
        }

        var table = await RequireTableAsync(session, request.Schema, request.Table, cancellationToken).ConfigureAwait(false);
        if (table.IsMemoryOptimized)
            throw new EnvelopeConfigurationException(RotationMessages.MemoryOptimized(table.DisplayName));
        await RequireKeysAsync(session, table, cancellationToken).ConfigureAwait(false);
        var known = await MapStore.ReadAsync(session, cancellationToken).ConfigureAwait(false);
        await RequireSpellingAsync(session, table, known, cancellationToken).ConfigureAwait(false);
        var map = known.Require(request.Schema, request.Table);
        await RequireNoCheckAsync(session, request, table, cancellationToken).ConfigureAwait(false);
        var changes = new List<string>();
        var warnings = new List<string>();
        var mapRows = new List<MapColumn>();
        var planned = Prepare(session.Dialect, request, ref table, map, mapRows, changes, warnings);
        var (plan, columns) = RowPlanner.Make(session.Dialect, request, table, planned);
        if (columns.Count == 0)
            throw new EnvelopeConfigurationException(RotationMessages.NothingToDo(table.DisplayName, request.Kind));
        await RequireFreeAsync(session, ActiveName(request), cancellationToken).ConfigureAwait(false);
        foreach (var history in await session.Dialect.ListHistoriesAsync(session, table, cancellationToken).ConfigureAwait(false))
            warnings.Add(RotationMessages.KeepsHistory(table.DisplayName, history, request is { Kind: JobKind.Backfill, Into: null }));
        var notBefore = await CheckKeysAsync(session, request, scope, table, plan, warnings, cancellationToken).ConfigureAwait(false);
        return new JobPlan
        {
            Request = request,
            Scope = scope.Name,
            Rows = await TableRanges.CountAsync(session, table, null, cancellationToken).ConfigureAwait(false),
            Columns = columns,
            SchemaChanges = changes,
            Warnings = warnings,
            NotBefore = notBefore,
            MapRows = mapRows,
        };
    }

    public static string ActiveName(JobRequest request) => request.Kind == JobKind.Rotate ? "" : $"{request.Schema}\u001f{request.Table}";

    public static async Task RequireSupportedAsync(Session session, CancellationToken cancellationToken)
    {
        if (await session.Dialect.FindFaultAsync(session, cancellationToken).ConfigureAwait(false) is { } fault)
            throw new EnvelopeConfigurationException(fault);
    }

    public static async Task<TableInfo> RequireTableAsync(Session session, string schema, string name, CancellationToken cancellationToken)
    {
        var table = await session.Dialect.FindTableAsync(session, schema, name, cancellationToken).ConfigureAwait(false)
            ?? throw new EnvelopeConfigurationException(RotationMessages.TableMissing(schema.Length == 0 ? name : $"{schema}.{name}"));
        if (table.Key.Count == 0)
            throw new EnvelopeConfigurationException(RotationMessages.NoPrimaryKey(table.DisplayName));
        return table;
    }

    // The map would have one column twice, under two stable names.
    private static async Task RequireSpellingAsync(Session session, TableInfo table, EncryptionMap map, CancellationToken cancellationToken)
    {
        var dialect = session.Dialect;
        foreach (var other in map.Columns.DistinctBy(c => c.TableName).Where(c => (c.Schema, c.Table) != (table.Schema, table.Name)))
        {
            if (other.TableName.Equals(table.DisplayName, StringComparison.OrdinalIgnoreCase)
                && await dialect.IsOneTableAsync(session, dialect.Table(other.Schema, other.Table), dialect.Table(table), cancellationToken)
                    .ConfigureAwait(false))
                throw new EnvelopeConfigurationException(RotationMessages.TableSpelledOtherwise(table.DisplayName, other.TableName));
        }
    }

    // SQLite takes null in a primary key, even more than once.
    public static async Task RequireKeysAsync(Session session, TableInfo table, CancellationToken cancellationToken)
    {
        var isNull = string.Join(" OR ", table.Key.Where(k => k.IsNullable).Select(k => $"{session.Dialect.Quote(k.Name)} IS NULL"));
        if (isNull.Length > 0
            && await session.ScalarAsync($"SELECT {session.Dialect.Count()} FROM {session.Dialect.Table(table)} WHERE {isNull}", [], cancellationToken).ConfigureAwait(false) is not (0L or 0))
            throw new EnvelopeConfigurationException(RotationMessages.NullInPrimaryKey(table.DisplayName));
    }

    // The model says first that a column may hold plaintext again, by a migration that drops its check; else every row would be refused.
    private static async Task RequireNoCheckAsync(Session session, JobRequest request, TableInfo table, CancellationToken cancellationToken)
    {
        if (request is not { Kind: JobKind.Decrypt, Into: null })
            return;
        var checks = await session.Dialect.ListChecksAsync(session, table, cancellationToken).ConfigureAwait(false);
        foreach (var column in request.Columns)
        {
            if (checks.Exists(c => session.Dialect.IsEnvelopeCheck(c, column, isText: true)))
                throw new EnvelopeConfigurationException(RotationMessages.CheckRefusesPlaintext($"{table.DisplayName}.{column}"));
        }
    }

    public async Task RequireFreeAsync(Session session, string active, CancellationToken cancellationToken)
    {
        var store = new JobStore(session);
        if (active.Length > 0 && await store.ExistsAsync(cancellationToken).ConfigureAwait(false)
            && await store.FindActiveAsync(active, cancellationToken).ConfigureAwait(false) is { } other)
            throw new OperationRefusedException(RotationMessages.TableTaken(active.Replace('\u001f', '.').TrimStart('.'), other));
    }

    public static void Validate(JobRequest request)
    {
        request.Throttle.Validate();
        if (request.BatchSize is < 1 or > JobRequest.MaxBatchSize)
            throw new EnvelopeConfigurationException(RotationMessages.OutOfRange(nameof(request.BatchSize), $"from 1 to {JobRequest.MaxBatchSize}"));
        if (request.RangeSize < 1)
            throw new EnvelopeConfigurationException(RotationMessages.OutOfRange(nameof(request.RangeSize), "1 or more"));
        if (request.Kind is JobKind.Backfill or JobKind.Decrypt && request.Columns.Count == 0)
            throw new EnvelopeConfigurationException(RotationMessages.ColumnNeeded(request.Kind));
        if (request.Into is not null && (request.Columns.Count != 1 || request.Kind == JobKind.Reindex || request.Columns[0] == request.Into))
            throw new EnvelopeConfigurationException(RotationMessages.IntoNeedsOneColumn());
        if (request is { Kind: JobKind.Reencrypt, Context: not null, Into: null })
            throw new EnvelopeConfigurationException(RotationMessages.ContextNeedsInto());
        if (request is { Kind: JobKind.Reencrypt, Mode: not null, Columns.Count: not 1 })
            throw new EnvelopeConfigurationException(RotationMessages.ModeNeedsOneColumn());
    }

    // Returns the map as it will be: with the columns that the job itself brings into it.
    private static IReadOnlyList<MapColumn> Prepare(
        Dialect dialect, JobRequest request, ref TableInfo table, IReadOnlyList<MapColumn> map, List<MapColumn> mapRows, List<string> changes, List<string> warnings)
    {
        if (request.Kind is JobKind.Reindex || (request.Kind == JobKind.Reencrypt && request.Into is null))
        {
            foreach (var column in request.Columns.Where(c => map.All(m => m.Column != c)))
                throw new EnvelopeConfigurationException(RotationMessages.ColumnNotEncrypted(table.DisplayName, column, map.Select(c => c.Column)));
            if (request.Mode is { } mode && map.First(m => m.Column == request.Columns[0]) is var changed && changed.Mode != mode)
                warnings.Add(RotationMessages.ModeWarning(changed.Name, mode));
            return map;
        }

        foreach (var name in request.Columns)
        {
            var column = table.Find(name) ?? throw new EnvelopeConfigurationException(RotationMessages.ColumnMissing(table.DisplayName, name));
            if (column.KeyOrder > 0)
                throw new EnvelopeConfigurationException(RotationMessages.ColumnIsKey($"{table.DisplayName}.{name}"));
            if (request.Into is null)
                PrepareInPlace(dialect, request, table, column, map, mapRows, changes, warnings);
        }

        if (request.Into is { } into)
            table = PrepareInto(dialect, request, table, map, mapRows, changes, warnings, into);
        return [.. map.Where(m => mapRows.All(r => r.Column != m.Column)), .. mapRows];
    }

    private static void PrepareInPlace(
        Dialect dialect, JobRequest request, TableInfo table, TableColumn column, IReadOnlyList<MapColumn> map, List<MapColumn> mapRows, List<string> changes, List<string> warnings)
    {
        var name = $"{table.DisplayName}.{column.Name}";
        var known = map.FirstOrDefault(m => m.Column == column.Name);
        if (known is { Kind: MapColumnKind.BlindIndex } || known?.NextOf is not null)
            throw new EnvelopeConfigurationException(RotationMessages.ColumnHoldsHashes(name));
        if (known is { IsText: false } || !column.IsText)
            throw new EnvelopeConfigurationException(RotationMessages.NotText(name, request.Kind));
        if (column.IsPadded)
            throw new EnvelopeConfigurationException(RotationMessages.ColumnPads(name, column.StoreType));
        if (request.Kind == JobKind.Decrypt)
        {
            if (known is null)
                throw new EnvelopeConfigurationException(RotationMessages.ColumnNotEncrypted(table.DisplayName, column.Name, map.Select(c => c.Column)));
            if (column.IsUnique)
                throw new EnvelopeConfigurationException(RotationMessages.UniqueInPlace(name));
            mapRows.Add(known with { AllowsPlaintext = true, Definition = null, EndedBy = null });
            warnings.Add(RotationMessages.DecryptWarning(name));
            return;
        }

        if (known is not null && ((request.Mode ?? known.Mode) != known.Mode || (request.Context ?? known.Field) != known.Field))
            throw new EnvelopeConfigurationException(RotationMessages.MapSaysOtherwise(name));
        if (request.PlaintextType is not (null or "string"))
            throw new EnvelopeConfigurationException(RotationMessages.TextHoldsStrings(name));
        var row = known ?? NewColumn(request, table, column.Name, isText: true);
        if (column.IsUnique)
            throw new EnvelopeConfigurationException(RotationMessages.UniqueInPlace(name));
        if (column.IsIndexed && row.Mode == EncryptionMode.Randomized)
            warnings.Add(RotationMessages.IndexBecomesUseless(name));

        // As wide as the model makes it, so that both agree. A column that the map has was made so by a migration, or by a job before.
        if (known is null && column.MaxLength is { } max
            && TextEnvelope.LengthOf((3 * max) + FieldCipher.OverheadOf(row.Algorithm)) is var length
            && dialect.Widen(table, column, length) is { } widen)
        {
            if (dialect.FindIndexInTheWay(column, length) is var (index, type))
                throw new EnvelopeConfigurationException(RotationMessages.IndexInTheWay(name, type, index));
            changes.Add(widen);
        }

        mapRows.Add(row with { AllowsPlaintext = true, Definition = null, EndedBy = null });
        if (known is null)
            warnings.Add(RotationMessages.NewToMap(name));
        warnings.Add(RotationMessages.BackfillWarning(name));
        warnings.Add(RotationMessages.PlaintextStays(name));
    }

    private static TableInfo PrepareInto(
        Dialect dialect, JobRequest request, TableInfo table, IReadOnlyList<MapColumn> map, List<MapColumn> mapRows, List<string> changes, List<string> warnings,
        string into)
    {
        var name = $"{table.DisplayName}.{into}";
        var known = map.FirstOrDefault(m => m.Column == into);
        var encrypts = request.Kind != JobKind.Decrypt;
        var source = map.FirstOrDefault(m => m.Column == request.Columns[0] && m.Kind == MapColumnKind.Value);
        if (request.Kind is JobKind.Decrypt or JobKind.Reencrypt && source is null)
            throw new EnvelopeConfigurationException(RotationMessages.ColumnNotEncrypted(table.DisplayName, request.Columns[0], map.Select(c => c.Column)));
        if (request.Kind == JobKind.Backfill && source is { AllowsPlaintext: false })
            throw new EnvelopeConfigurationException(RotationMessages.AlreadyEncrypted(source.Name));
        if (!encrypts && known is not null)
            throw new EnvelopeConfigurationException(RotationMessages.TargetIsEncrypted(name));
        var type = known?.PlaintextType ?? source?.PlaintextType ?? request.PlaintextType ?? "string";
        if (!PlainText.Knows(type) && request.Kind != JobKind.Reencrypt)
            throw new EnvelopeConfigurationException(RotationMessages.TypeUnknown(type, PlainText.KnownTypes));
        if (encrypts && known is null)
            mapRows.Add(NewColumn(request with { PlaintextType = type, Mode = request.Mode ?? source?.Mode }, table, into, isText: false));
        else if (known is not null && ((request.Mode ?? known.Mode) != known.Mode || (request.Context ?? known.Field) != known.Field || (request.PlaintextType ?? type) != type))
            throw new EnvelopeConfigurationException(RotationMessages.MapSaysOtherwise(name));
        if (!encrypts)
            warnings.Add(RotationMessages.PlaintextWarning(name));
        else if (request.Kind == JobKind.Backfill)
            warnings.Add(RotationMessages.PlaintextStays($"{table.DisplayName}.{request.Columns[0]}"));
        if (table.Find(into) is not null)
            return table;
        warnings.Add(RotationMessages.ColumnIsMade(name));
        var form = encrypts ? StoredForm.Binary : StoredForm.Plain;
        changes.Add(dialect.AddColumn(table, into, form, type));
        return new TableInfo(table.Schema, table.Name, [.. table.Columns, new TableColumn(into, dialect.NewTypeOf(form, type), true, encrypts, false, null, 0, false, false)]);
    }

    private static MapColumn NewColumn(JobRequest request, TableInfo table, string column, bool isText)
        => new()
        {
            Schema = table.Schema,
            Table = table.Name,
            Column = column,
            Field = request.Context ?? string.Join('.', (table.Schema.Length == 0 ? [table.Name, column] : new[] { table.Schema, table.Name, column }).Select(QuotePart)),
            Kind = MapColumnKind.Value,
            Mode = request.Mode ?? EncryptionMode.Randomized,
            PlaintextType = request.PlaintextType ?? "string",
            IsText = isText,
        };

    // As the model names a column by default.
    private static string QuotePart(string part)
        => part.AsSpan().IndexOfAny('.', '"') < 0 ? part : $"\"{part.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    // A version that does not encrypt yet is waited for; two versions in searches need second columns for what is unique.
    private async Task<DateTimeOffset?> CheckKeysAsync(
        Session session, JobRequest request, KeyScope scope, TableInfo table, RowPlan plan, List<string> warnings, CancellationToken cancellationToken)
    {
        if (request.Kind is not (JobKind.Reencrypt or JobKind.Reindex) || request.Into is not null)
            return null;
        var snapshot = await source.StoreOf(session).ReadAsync(scope, cancellationToken).ConfigureAwait(false);
        var searches = snapshot.Keys.Count(KeyRing.IsSearched);
        if (searches > 1 && plan.Columns.FirstOrDefault(c => c.IsWritten && table.Find(c.Name)!.IsUnique && plan.IsSearchColumn(c.Name)) is { } unique)
            throw new EnvelopeConfigurationException(RotationMessages.UniqueWithoutNext($"{table.DisplayName}.{unique.Name}"));
        if (snapshot.Keys.Where(k => k is { RetiredAt: null, Status: KeyVersionStatus.Enabled }).Max(k => k.EncryptsUntil) is { } until && until > snapshot.StoreTime)
            warnings.Add(RotationMessages.EndsNotBefore(snapshot.Keys[^1].Version, until));
        return snapshot.Keys.LastOrDefault(k => k.EncryptsFrom > snapshot.StoreTime && k.RetiredAt is null) is { EncryptsFrom: { } from } ? from : null;
    }
}
