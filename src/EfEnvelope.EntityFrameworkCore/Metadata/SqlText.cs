using System.Text;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>SQL text as a database reads it: quoted names, words, literals and signs. Comments are left out.</summary>
internal sealed class SqlText
{
    private readonly List<Token> _tokens;
    private readonly string _text;
    private readonly bool _isPostgres;

    /// <summary>Reads a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="provider">The name of the provider: PostgreSQL has brackets for arrays, and takes the case of a quoted name as it is.</param>
    public SqlText(string text, string? provider)
    {
        (_text, _isPostgres) = (text, provider == "Npgsql.EntityFrameworkCore.PostgreSQL");
        _tokens = [.. Read(text, _isPostgres)];
    }

    private enum Kind
    {
        QuotedName,
        Word,
        Literal,
        Sign,
    }

    /// <summary>Tells whether the text uses the values of a column: names it for anything but <c>IS NULL</c> and <c>IS NOT NULL</c>.</summary>
    public bool Uses(string column)
    {
        for (var i = 0; i < _tokens.Count; i++)
        {
            if (IsName(_tokens[i], column) && !IsNullTest(i) && !IsOtherwise(i))
                return true;
        }

        return false;
    }

    /// <summary>Tells whether the text has a name at all.</summary>
    public bool Names(string name) => _tokens.Any(t => IsName(t, name));

    /// <summary>Tells whether a literal or number of the text contains something.</summary>
    public bool HasLiteral(string part)
        => _tokens.Any(t => (t.Kind == Kind.Literal || char.IsAsciiDigit(_text[t.Start])) && t.Text.Contains(part, StringComparison.OrdinalIgnoreCase));

    /// <summary>Finds what stands in parentheses after a word, such as the condition after <c>CHECK</c>.</summary>
    public IEnumerable<string> FindParenthesized(string word)
    {
        for (var i = 0; i + 1 < _tokens.Count; i++)
        {
            if (!IsWord(i, word) || !IsSign(i + 1, "("))
                continue;
            var (depth, end) = (1, i + 2);
            for (; end < _tokens.Count && depth > 0; end++)
                depth += IsSign(end, "(") ? 1 : IsSign(end, ")") ? -1 : 0;
            yield return _text[(_tokens[i + 1].Start + 1).._tokens[end - 1].Start];
        }
    }

    // An unquoted name is folded, one way or the other; it may stand for a quoted one of another case in one database and not in another.
    private bool IsName(Token token, string name)
        => token.Kind switch
        {
            Kind.QuotedName => token.Text.Equals(name, _isPostgres ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase),
            Kind.Word => token.Text.Equals(name, StringComparison.OrdinalIgnoreCase),
            _ => false,
        };

    private bool IsNullTest(int i) => IsWord(i + 1, "IS") && (IsWord(i + 2, "NULL") || (IsWord(i + 2, "NOT") && IsWord(i + 3, "NULL")));

    // A function, a table before its column, an alias, or a type.
    private bool IsOtherwise(int i)
        => IsSign(i + 1, ".") || (IsSign(i + 1, "(") && _tokens[i].Kind == Kind.Word) || IsWord(i - 1, "AS") || (IsSign(i - 1, ":") && IsSign(i - 2, ":"));

    private bool IsWord(int i, string word)
        => i >= 0 && i < _tokens.Count && _tokens[i].Kind == Kind.Word && _tokens[i].Text.Equals(word, StringComparison.OrdinalIgnoreCase);

    private bool IsSign(int i, string sign) => i >= 0 && i < _tokens.Count && _tokens[i].Kind == Kind.Sign && _tokens[i].Text == sign;

    private static IEnumerable<Token> Read(string text, bool isPostgres)
    {
        for (var i = 0; i < text.Length;)
        {
            var start = i;
            if (char.IsWhiteSpace(text[i]))
                i++;
            else if (At(text, i, "--"))
                i = EndOf(text, i, "\n");
            else if (At(text, i, "/*"))
                i = EndOf(text, i + 2, "*/");
            else if (text[i] == '"' || (!isPostgres && (text[i] is '`' or '[')))
                yield return new Token(Kind.QuotedName, ReadQuoted(text, ref i, text[i] == '[' ? ']' : text[i], escapes: false), start);
            else if (text[i] == '\'')
                yield return new Token(Kind.Literal, ReadQuoted(text, ref i, '\'', isPostgres && IsEscaped(text, start)), start);
            else if (FindDollarQuote(text, i) is { } quote)
            {
                i = EndOf(text, i + quote.Length, quote);
                yield return new Token(Kind.Literal, text[start..i], start);
            }
            else if (IsOfWord(text[i]))
            {
                while (i < text.Length && IsOfWord(text[i]))
                    i++;
                yield return new Token(Kind.Word, text[start..i], start);
            }
            else
            {
                i++;
                yield return new Token(Kind.Sign, text[start..i], start);
            }
        }
    }

    private static bool IsEscaped(string text, int i) => i > 0 && (text[i - 1] is 'E' or 'e') && (i == 1 || !IsOfWord(text[i - 2]));

    private static bool IsOfWord(char c) => char.IsLetterOrDigit(c) || c is '_' or '$' or '#' or '@' || c > 127;

    private static bool At(string text, int i, string what) => string.CompareOrdinal(text, i, what, 0, what.Length) == 0;

    private static int EndOf(string text, int from, string end)
        => text.IndexOf(end, Math.Min(from, text.Length), StringComparison.Ordinal) is >= 0 and var found ? found + end.Length : text.Length;

    // A doubled closing quote stands for itself.
    private static string ReadQuoted(string text, ref int i, char close, bool escapes)
    {
        var content = new StringBuilder();
        for (i++; i < text.Length; i++)
        {
            if (escapes && text[i] == '\\' && i + 1 < text.Length)
                i++;
            else if (text[i] == close)
            {
                if (i + 1 >= text.Length || text[i + 1] != close)
                    break;
                i++;
            }

            content.Append(text[i]);
        }

        i = Math.Min(i + 1, text.Length);
        return content.ToString();
    }

    // PostgreSQL's '$$ … $$' and '$tag$ … $tag$'.
    private static string? FindDollarQuote(string text, int i)
    {
        if (text[i] != '$')
            return null;
        var end = i + 1;
        while (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] == '_'))
            end++;
        return end < text.Length && text[end] == '$' ? text[i..(end + 1)] : null;
    }

    private readonly record struct Token(Kind Kind, string Text, int Start);
}
