using System.ComponentModel.DataAnnotations;
using System.Reflection;
using Microsoft.EntityFrameworkCore.Metadata;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>Finds what is marked as encrypted, mapped or not.</summary>
internal static class MarkedMembers
{
    public static IEnumerable<IMutableProperty> FindProperties(IMutableModel model)
        => FindTypes(model).SelectMany(t => t.GetDeclaredProperties()).Where(p => EnvelopeAnnotations.FindMark(p) is not null).ToList();

    /// <summary>Finds a property whose values are bound to a stable name: columns in SQL do not always know what they are mapped to.</summary>
    public static IProperty? FindByField(IModel model, string field)
        => model.GetEntityTypes().SelectMany(t => t.GetFlattenedDeclaredProperties())
            .FirstOrDefault(p => (string?)p.FindAnnotation(EnvelopeAnnotations.Context)?.Value == field);

    /// <summary>Finds members that carry the attribute but are no mapped property: they would be stored in clear text elsewhere, or not at all.</summary>
    public static IEnumerable<string> FindUnmapped(IMutableModel model)
    {
        foreach (var type in FindTypes(model).Where(t => !t.HasSharedClrType || t.ClrType != typeof(Dictionary<string, object>)))
        {
            var mapped = type.GetProperties().SelectMany(p => new MemberInfo?[] { p.PropertyInfo, p.FieldInfo })
                .OfType<MemberInfo>().Select(Identify).ToHashSet();
            foreach (var member in FindAttributed(type.ClrType, typeof(EncryptedAttribute)))
            {
                if (!mapped.Contains(Identify(member)))
                    yield return EnvelopeMessages.NotAProperty($"{type.DisplayName()}.{member.Name}");
            }

            foreach (var property in FindMarkedOnInterfaces(type))
                yield return EnvelopeMessages.MarkedOnInterface(EnvelopeRules.NameOf(property));
            foreach (var member in FindMetadataMembers(type.ClrType).Where(m => !IsMarkedAs(type, m)))
                yield return EnvelopeMessages.MarkedOnMetadata($"{type.DisplayName()}.{member.Name}", member.DeclaringType!.Name);
            foreach (var property in type.GetDeclaredProperties().Where(p => EnvelopeAnnotations.FindMark(p) is null))
            {
                if (FindMarkedWithin(property.ClrType, []) is { } member)
                    yield return EnvelopeMessages.MarkedWithin(EnvelopeRules.NameOf(property), $"{member.DeclaringType!.Name}.{member.Name}");
            }
        }
    }

    /// <summary>Finds properties that are said to be backfilled and are not marked.</summary>
    public static IEnumerable<string> FindBackfillingPlain(IMutableModel model)
        => FindTypes(model).SelectMany(t => t.GetDeclaredProperties())
            .Where(p => EnvelopeAnnotations.AllowsPlaintext(p) && EnvelopeAnnotations.FindMark(p) is null)
            .Select(EnvelopeRules.NameOf).ToList();

    public static IEnumerable<IMutableTypeBase> FindTypes(IMutableModel model) => FindTypes((IReadOnlyModel)model).Cast<IMutableTypeBase>();

    public static IEnumerable<IReadOnlyTypeBase> FindTypes(IReadOnlyModel model) => model.GetEntityTypes().SelectMany(FindTypes);

    public static IEnumerable<IReadOnlyTypeBase> FindTypes(IReadOnlyTypeBase type)
        => [type, .. type.GetDeclaredComplexProperties().SelectMany(p => FindTypes(p.ComplexType))];

    // .NET does not hand an interface's attributes down to what implements it, so such a mark alone would encrypt nothing.
    private static IEnumerable<IMutableProperty> FindMarkedOnInterfaces(IMutableTypeBase type)
    {
        if (type.ClrType.IsInterface || type.ClrType.IsArray)
            return [];
        var getters = type.ClrType.GetInterfaces()
            .SelectMany(i => type.ClrType.GetInterfaceMap(i) is var map
                ? i.GetProperties().Where(p => p.GetMethod is not null && p.IsDefined(typeof(EncryptedAttribute)))
                    .Select(p => map.TargetMethods[Array.IndexOf(map.InterfaceMethods, p.GetMethod!)])
                : [])
            .ToHashSet();
        return getters.Count == 0
            ? []
            : type.GetProperties().Where(
                p => p.PropertyInfo?.GetMethod is { } getter && getters.Contains(getter) && EnvelopeAnnotations.FindMark(p) is null);
    }

    // EF Core does not read metadata classes; of theirs, a mark is obeyed that the property has as well.
    private static bool IsMarkedAs(IMutableTypeBase type, MemberInfo member)
        => type.FindProperty(member.Name) is { } property
            && (!member.IsDefined(typeof(EncryptedAttribute)) || EnvelopeAnnotations.FindMark(property) is not null)
            && (!member.IsDefined(typeof(BlindIndexAttribute)) || EnvelopeAnnotations.FindBlindIndexes(property).Count > 0);

    private static IEnumerable<MemberInfo> FindMetadataMembers(Type type)
    {
        for (var declaring = type; declaring is not null; declaring = declaring.BaseType)
        {
            if (declaring.GetCustomAttribute<MetadataTypeAttribute>(inherit: false) is not { } metadata)
                continue;
            foreach (var member in FindAttributed(metadata.MetadataClassType, typeof(EncryptedAttribute), typeof(BlindIndexAttribute)))
                yield return member;
        }
    }

    // A type that one column holds whole (JSON, a value converter) takes its members into that column as they are.
    private static MemberInfo? FindMarkedWithin(Type type, HashSet<Type> visited)
    {
        if (!visited.Add(type))
            return null;
        if (type.GetElementType() is { } element)
            return FindMarkedWithin(element, visited);
        if (type.GetGenericArguments().Select(a => FindMarkedWithin(a, visited)).FirstOrDefault(m => m is not null) is { } inArgument)
            return inArgument;
        if (type.IsPrimitive || type.IsEnum || type.IsGenericParameter || IsOfPlatform(type))
            return null;
        return FindAttributed(type, typeof(EncryptedAttribute)).Concat(FindMetadataMembers(type)).FirstOrDefault()
            ?? FindMemberTypes(type).Select(t => FindMarkedWithin(t, visited)).FirstOrDefault(m => m is not null);
    }

    private static bool IsOfPlatform(Type type)
        => type.Namespace is { } name && $"{name}." is var dotted
            && (dotted.StartsWith("System.", StringComparison.Ordinal) || dotted.StartsWith("Microsoft.", StringComparison.Ordinal));

    private static IEnumerable<Type> FindMemberTypes(Type type)
    {
        for (var declaring = type; declaring is not null && !IsOfPlatform(declaring); declaring = declaring.BaseType)
        {
            const BindingFlags All = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
            foreach (var property in declaring.GetProperties(All))
                yield return property.PropertyType;
            foreach (var field in declaring.GetFields(All))
                yield return field.FieldType;
        }

        // A collection of its own, such as 'class Addresses : List<Address>', keeps its elements in a base type.
        foreach (var collection in type.GetInterfaces().Where(i => i.IsGenericType))
            yield return collection;
    }

    // A property and what it overrides are one member; the attribute may stand on either.
    private static (Type? DeclaringType, string Name) Identify(MemberInfo member)
        => (member is PropertyInfo property ? property.GetAccessors(nonPublic: true)[0].GetBaseDefinition().DeclaringType : member.DeclaringType, member.Name);

    private static IEnumerable<MemberInfo> FindAttributed(Type type, params Type[] attributes)
    {
        for (var declaring = type; declaring is not null && declaring != typeof(object); declaring = declaring.BaseType)
        {
            const BindingFlags All = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
            foreach (var member in declaring.GetMembers(All))
            {
                if (member is PropertyInfo or FieldInfo && Array.Exists(attributes, a => member.IsDefined(a, inherit: false)))
                    yield return member;
            }
        }
    }
}
