using EfEnvelope.Keys;

namespace EfEnvelope.Rotation.Scans;

// What 'verify' and 'inspect' say. Never a value, never key bytes.
internal static class ScanMessages
{
    public static string MapIsEmpty()
        => "The encryption map of this database has no column, so there is nothing to verify. Check that this is the right database and schema, and that its migrations have run.";

    public static string TableNotInMap(string table, IEnumerable<string> known)
        => $"The encryption map has no table '{table}'; it has {string.Join(", ", known)}. Check its name, which is compared letter by letter.";

    public static string NoPrimaryKey(string table) => $"Table '{table}' has no primary key, so it cannot be read in pages; none of its values was verified. Add one, and verify again.";

    public static string MaybeOfOtherScope(string reason, KeyScope scope)
        => $"{reason} Or it belongs to another scope than '{scope}': this database has several; verify each of them.";

    public static string RetiredVersion(string column, KeyVersion version)
        => $"Column '{column}' has a value under '{version}', which is retired: it would be lost when the version is destroyed. Re-encrypt its table.";

    public static string PlaintextNotAllowed(string column)
        => $"Column '{column}' holds plaintext, which the encryption map does not allow. Backfill it: 'efenvelope backfill'.";

    public static string NotABlindIndex(string column) => $"Column '{column}' holds something that is no blind index of its length. It was altered; reindex its table.";

    public static string IndexDiffers(string column, KeyVersion version)
        => $"The blind index '{column}' does not belong to the row's values under '{version}', so queries miss the row. It was altered; set it to null, and reindex its table.";

    public static string IndexMissing(string column) => $"The blind index '{column}' is null although its values are not, so queries miss the row. Reindex its table.";

    public static string IndexWithoutValues(string column)
        => $"The blind index '{column}' is not null although a value that it is computed from is, so queries find a row that they should not. Reindex its table.";

    public static string NextWithoutValue(string column, string main) => $"'{column}' is not null although '{main}' is. Reindex the table.";

    public static string NextDiffers(string column, string main)
        => $"'{column}' holds another value than '{main}', so a unique index compares the wrong one. Set it to null, and reindex the table.";

    public static string Empty() => "There is nothing to explain: the value is empty. Give what the column holds.";

    public static string NeitherHexNorBase64()
        => "It is neither hexadecimal, nor Base64, nor text that begins with 'efenvelope:v1:', so it is no envelope: plaintext, or cut while it was copied.";

    public static string OddHex() => "It has an odd number of hexadecimal digits, so half a byte is missing. Copy it whole.";

    public static string NotHex() => "After the mark of hexadecimal bytes stands something that is no hexadecimal digit. Copy it again.";

    public static string OtherTextVersion() => "It begins like an envelope in text, but not with 'efenvelope:v1:' letter by letter. It was altered, or written by another version.";

    public static string TextHasPadding() => "The text ends in '=', and an envelope in text has no padding. It is refused as it is; it was not written by EfEnvelope.";

    public static string TextHasWhiteSpace() => "The text has white space in it or around it, and an envelope in text has none. It is refused as it is; it was altered, or the column pads.";

    public static string TextHasOtherAlphabet() => "The text has a character that is not of Base64url: only letters, digits, '-' and '_' may follow 'efenvelope:v1:'. It was altered.";

    public static string TextIsCut() => "The text has a length that no Base64url has, so it was cut. Look whether the column is long enough.";

    public static string TextHasStrayBits() => "The last character of the text has bits that stand for nothing, so it was altered or cut. An envelope has one text.";

    public static string TooShortForHeader(int length) => $"It has {length} bytes, fewer than the 5 of a header. It is no envelope, or was cut.";

    public static string NoMark() => "Its first byte is below 0xF8, with which every envelope begins. It is plaintext, or was written by something else.";

    public static string UnknownAlgorithm(int algorithm)
        => $"Its header names algorithm {algorithm}, which this version does not know. It was altered, is of other origin, or was written by a newer version of EfEnvelope.";

    public static string KeyNumberOutOfRange() => "Its header names a key number that no version has: they go from 1 to 2147483647. It was altered, or is of other origin.";

    public static string TooShort(string algorithm, int length, int least) => $"It has {length} bytes, and the shortest of {algorithm} has {least}: it was cut. Look whether the column is long enough.";

    public static string IndexLength(int length) => $"It has {length} bytes, and a blind index has 13 to 37: it was cut, or altered.";
}
