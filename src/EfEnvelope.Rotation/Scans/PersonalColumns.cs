using System.Data.Common;
using System.Text.RegularExpressions;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Looks for columns that are not encrypted, and whose name or content looks like personal data.</summary>
internal static partial class PersonalColumns
{
    private const int SampleSize = 100;
    private const int MaxCharacters = 100;

    // Of what is sampled, so much has to look like it: a single value may be anything.
    private const double Share = 0.8;

    private static readonly (string What, Func<string, bool> Is)[] Kinds =
    [
        ("e-mail addresses", v => Email().IsMatch(v)),
        ("numbers of payment cards", IsCard),
        ("account numbers (IBAN)", IsIban),
        ("social security numbers", v => SocialSecurity().IsMatch(v)),
        ("telephone numbers", v => Phone().IsMatch(v)),
    ];

    public static async Task<IReadOnlyList<Diagnosis>> FindAsync(Session session, EncryptionMap map, CancellationToken cancellationToken)
    {
        var found = new List<Diagnosis>();
        foreach (var (schema, name) in await session.Dialect.ListTablesAsync(session, cancellationToken).ConfigureAwait(false))
        {
            if (await session.Dialect.FindTableAsync(session, schema, name, cancellationToken).ConfigureAwait(false) is not { } table)
                continue;
            foreach (var column in table.Columns.Where(c => !c.IsBinary && !UnmappedColumns.IsMapped(map, table, c)))
            {
                var display = $"{table.DisplayName}.{column.Name}";
                if (LooksPersonal(column))
                    found.Add(DoctorMessages.LooksPersonal(display, "its name looks like personal data"));
                else if (column.IsText && await FindKindAsync(session, table, column, cancellationToken).ConfigureAwait(false) is { } kind)
                    found.Add(DoctorMessages.LooksPersonal(display, $"its values look like {kind}"));
            }
        }

        return [.. found.OrderBy(d => d.Subject, StringComparer.Ordinal)];
    }

    // Words of a name in any style: 'FirstName', 'first_name', 'FIRST-NAME'. A number that is called so is a key or a count, but for what is told in numbers.
    private static bool LooksPersonal(TableColumn column)
    {
        var words = string.Join(' ', Word().Matches(column.Name).Select(w => w.Value.ToLowerInvariant()));
        return NumberName().IsMatch(words) || (column.IsText && TextName().IsMatch(words));
    }

    private static async Task<string?> FindKindAsync(Session session, TableInfo table, TableColumn column, CancellationToken cancellationToken)
    {
        var dialect = session.Dialect;
        var name = $"t.{dialect.Quote(column.Name)}";
        try
        {
            var rows = await session.QueryAsync(
                dialect.Sample($"SELECT {dialect.StartOf(name, MaxCharacters)} FROM {dialect.Table(table)} AS t WHERE {name} IS NOT NULL", SampleSize), [], cancellationToken).ConfigureAwait(false);
            List<string> values = [.. rows.Select(r => r[0]).OfType<string>().Select(v => v.Trim()).Where(v => v.Length > 0)];
            return values.Count == 0 ? null : Kinds.FirstOrDefault(k => values.Count(k.Is) >= Share * values.Count).What;
        }
        catch (DbException e) when (!dialect.IsTransient(e))
        {
            // A table that this user may not read.
            return null;
        }
    }

    private static bool IsCard(string value)
    {
        var digits = value.Where(char.IsAsciiDigit).ToArray();
        if (digits.Length is < 13 or > 19 || !value.All(c => char.IsAsciiDigit(c) || c is ' ' or '-') || digits[0] is '0')
            return false;
        var sum = digits.Reverse().Select((c, i) => (c - '0') * (1 + (i % 2))).Sum(n => n > 9 ? n - 9 : n);
        return sum % 10 == 0;
    }

    private static bool IsIban(string value)
    {
        var text = value.Replace(" ", "", StringComparison.Ordinal).ToUpperInvariant();
        if (!Iban().IsMatch(text))
            return false;
        var rest = 0;
        foreach (var c in text[4..] + text[..4])
            rest = char.IsAsciiDigit(c) ? ((rest * 10) + (c - '0')) % 97 : ((rest * 100) + (c - 'A' + 10)) % 97;
        return rest == 1;
    }

    [GeneratedRegex(@"\p{Lu}?[\p{Ll}\p{Nd}]+|\p{Lu}+(?!\p{Ll})", RegexOptions.CultureInvariant)]
    private static partial Regex Word();

    [GeneratedRegex(
        @"\b(e ?mail|mail|phone|telephone|mobile|cell|fax|ssn|social security|passport|iban|credit card|card (number|no|holder)|cvv|cvc|tax (id|number|no)|national (id|number)"
            + @"|driver s? ?licen[cs]e|licen[cs]e (number|no)|(first|last|given|middle|family|maiden|full|sur) ?name|surname|street|address|postcode|postal code|zip|diagnosis|medication"
            + @"|insurance (number|no)|patient (number|no)|ethnicity|religion|gender|nationality|ip address|password|secret|token)\b",
        RegexOptions.CultureInvariant)]
    private static partial Regex TextName();

    [GeneratedRegex(@"\b(birth ?(date|day)?|date of birth|dob|born|salary|income)\b", RegexOptions.CultureInvariant)]
    private static partial Regex NumberName();

    [GeneratedRegex(@"^[^@\s]+@[^@\s]+\.[^@\s]+$", RegexOptions.CultureInvariant)]
    private static partial Regex Email();

    [GeneratedRegex(@"^\d{3}-\d{2}-\d{4}$", RegexOptions.CultureInvariant)]
    private static partial Regex SocialSecurity();

    [GeneratedRegex(@"^(\+\d[\d ()./-]{6,18}\d|\(\d{2,5}\)[\d ./-]{5,14}\d)$", RegexOptions.CultureInvariant)]
    private static partial Regex Phone();

    [GeneratedRegex(@"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$", RegexOptions.CultureInvariant)]
    private static partial Regex Iban();
}
