using System.Text.Json;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local.Access;

/// <summary>
/// Reads a policy. Strict: what it does not know it refuses, because a misspelt condition that is passed over would allow more than
/// its author meant.
/// </summary>
internal static class PolicyParser
{
    public const int MaximumLength = 64 * 1024;

    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = 8 };

    /// <exception cref="FormatException">What is wrong with it, without quoting it at length.</exception>
    public static PolicyDocument Parse(string json)
    {
        if (json.Length > MaximumLength)
            throw new FormatException($"it is longer than {MaximumLength} characters");
        if (!StoreText.IsPlain(json))
            throw new FormatException("it is not valid Unicode, or holds the character 0");
        try
        {
            using var document = JsonDocument.Parse(json, Options);
            var fields = Fields(document.RootElement, "the policy", "statements");
            var statements = Require(fields, "statements", "the policy");
            if (statements.ValueKind != JsonValueKind.Array || statements.GetArrayLength() == 0)
                throw new FormatException("'statements' is not a list of at least one statement");
            return new PolicyDocument([.. statements.EnumerateArray().Select((s, i) => Statement(s, $"statement {i + 1}"))]);
        }
        catch (JsonException e)
        {
            throw new FormatException($"it is not JSON, or a field occurs twice: line {e.LineNumber + 1}, position {e.BytePositionInLine + 1}", e);
        }
        catch (InvalidOperationException e)
        {
            throw new FormatException("a text in it is half of a surrogate pair", e);
        }
    }

    private static PolicyStatement Statement(JsonElement element, string where)
    {
        var fields = Fields(element, where, "effect", "principals", "operations", "keys", "context");
        var effect = Text(Require(fields, "effect", where), $"'effect' of {where}");
        if (effect is not ("allow" or "deny"))
            throw new FormatException($"'effect' of {where} is neither 'allow' nor 'deny'");

        var principals = Texts(Require(fields, "principals", where), $"'principals' of {where}");
        if (principals.FirstOrDefault(p => p != Patterns.Star && !PrincipalName.IsValid(p)) is { } name)
            throw new FormatException($"'principals' of {where} holds '{name}', which is neither a name nor '*'");

        var operations = Texts(Require(fields, "operations", where), $"'operations' of {where}");
        if (operations.FirstOrDefault(o => !AccessOperations.Covers(o)) is { } operation)
            throw new FormatException($"'operations' of {where} holds '{operation}', which is no operation");

        var keys = Texts(Require(fields, "keys", where), $"'keys' of {where}");
        if (keys.FirstOrDefault(k => !Patterns.IsValid(k)) is { } key)
            throw new FormatException($"'keys' of {where} holds '{key}'; a star may only stand at the end");

        return new PolicyStatement(
            effect == "deny", principals, operations, keys, fields.TryGetValue("context", out var context) ? Conditions(context, where) : []);
    }

    private static List<ContextCondition> Conditions(JsonElement element, string where)
    {
        var conditions = new List<ContextCondition>();
        var fields = Fields(element, $"'context' of {where}", "equals", "anyOf", "exists");
        if (fields.Count == 0)
            throw new FormatException($"'context' of {where} is empty");
        if (fields.TryGetValue("equals", out var equals))
        {
            foreach (var (name, value) in Pairs(equals, $"'equals' of {where}"))
                conditions.Add(new ContextCondition(name, [Text(value, $"'{name}' in 'equals' of {where}")]));
        }

        if (fields.TryGetValue("anyOf", out var anyOf))
        {
            foreach (var (name, values) in Pairs(anyOf, $"'anyOf' of {where}"))
                conditions.Add(new ContextCondition(name, Texts(values, $"'{name}' in 'anyOf' of {where}")));
        }

        if (fields.TryGetValue("exists", out var exists))
            conditions.AddRange(Texts(exists, $"'exists' of {where}").Select(name => new ContextCondition(name, [])));
        return conditions;
    }

    private static Dictionary<string, JsonElement> Fields(JsonElement element, string where, params string[] known)
    {
        var fields = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (element.ValueKind != JsonValueKind.Object)
            throw new FormatException($"{where} is not an object");
        foreach (var property in element.EnumerateObject())
        {
            if (!known.Contains(property.Name, StringComparer.Ordinal))
                throw new FormatException($"{where} has the unknown field '{property.Name}'; known are '{string.Join("', '", known)}'");
            fields.Add(property.Name, property.Value);
        }

        return fields;
    }

    private static List<(string Name, JsonElement Value)> Pairs(JsonElement element, string where)
        => element.ValueKind == JsonValueKind.Object && element.EnumerateObject().Any() && element.EnumerateObject().All(p => p.Name.Length > 0)
            ? [.. element.EnumerateObject().Select(p => (p.Name, p.Value))]
            : throw new FormatException($"{where} is not an object of at least one named pair");

    private static JsonElement Require(Dictionary<string, JsonElement> fields, string name, string where)
        => fields.TryGetValue(name, out var value) ? value : throw new FormatException($"{where} lacks '{name}'");

    private static string Text(JsonElement element, string where)
        => element.ValueKind == JsonValueKind.String ? element.GetString()! : throw new FormatException($"{where} is not a text");

    private static List<string> Texts(JsonElement element, string where)
        => element.ValueKind == JsonValueKind.Array && element.GetArrayLength() > 0
            && element.EnumerateArray().All(e => e.ValueKind == JsonValueKind.String && e.GetString()!.Length > 0)
            ? [.. element.EnumerateArray().Select(e => e.GetString()!)]
            : throw new FormatException($"{where} is not a list of at least one text");
}
