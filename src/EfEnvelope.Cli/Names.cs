using System.Text;
using EfEnvelope.Keys;

namespace EfEnvelope.Cli;

/// <summary>Reads names as they are typed: <c>schema.Table</c>, <c>Table.Column</c>, <c>"a.b".Column</c>, <c>clinic:v1</c>.</summary>
internal static class Names
{
    public static (string Schema, string Table) ParseTable(string text)
        => Split(text) switch
        {
            [var table] => ("", table),
            [var schema, var table] => (schema, table),
            _ => throw new EnvelopeConfigurationException(CliMessages.MalformedTable(text)),
        };

    public static (string Schema, string Table, string Column) ParseColumn(string text)
        => Split(text) switch
        {
            [var table, var column] => ("", table, column),
            [var schema, var table, var column] => (schema, table, column),
            _ => throw new EnvelopeConfigurationException(CliMessages.MalformedColumn(text)),
        };

    /// <summary>Reads a column of a table that is known already; it may be quoted.</summary>
    public static string ParseName(string text)
        => text.StartsWith('"') && Split(text) is [var name] ? name : text.Length > 0 ? text : throw new EnvelopeConfigurationException(CliMessages.MalformedColumn(text));

    public static KeyScope ParseScope(string text)
        => KeyScopeOf(text) ?? throw new EnvelopeConfigurationException(CliMessages.MalformedScope(text));

    public static KeyVersion ParseVersion(string text)
        => text.LastIndexOf(":v", StringComparison.Ordinal) is > 0 and var at
            && KeyScopeOf(text[..at]) is { } scope
            && int.TryParse(text[(at + 2)..], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number)
            && number > 0
            ? new KeyVersion(scope, number)
            : throw new EnvelopeConfigurationException(CliMessages.MalformedVersion(text));

    private static KeyScope? KeyScopeOf(string text)
    {
        try
        {
            return new KeyScope(text);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    // Parts between dots; a part in double quotes may have dots, and two of them stand for one. None where the text is malformed.
    private static List<string> Split(string text)
    {
        var parts = new List<string>();
        var part = new StringBuilder();
        for (var i = 0; ;)
        {
            if (i < text.Length && text[i] == '"')
            {
                for (i++; ; i++)
                {
                    if (i >= text.Length)
                        return [];
                    if (text[i] == '"' && (++i >= text.Length || text[i] != '"'))
                        break;
                    part.Append(text[i]);
                }
            }
            else
            {
                while (i < text.Length && text[i] is not ('.' or '"'))
                    part.Append(text[i++]);
            }

            if (part.Length == 0)
                return [];
            parts.Add(part.ToString());
            part.Clear();
            if (i >= text.Length)
                return parts;
            if (text[i++] != '.')
                return [];
        }
    }
}
