using EfEnvelope.Envelopes;

namespace EfEnvelope.Tests;

/// <summary>One envelope, and either its plaintext or the class of its failure.</summary>
/// <param name="Name">What the case shows.</param>
/// <param name="Key">The data key, in hexadecimal.</param>
/// <param name="Number">The number under which the ring knows the data key.</param>
/// <param name="Field">The column's stable name.</param>
/// <param name="Type">The type of the plaintext.</param>
/// <param name="Envelope">The stored bytes, in hexadecimal.</param>
/// <param name="Expected">The plaintext in hexadecimal, or the failure class.</param>
public sealed record EnvelopeVector(string Name, string Key, int Number, string Field, string Type, string Envelope, string Expected)
{
    public bool Opens => Expected.All(char.IsAsciiHexDigitLower);

    public override string ToString() => Name;
}

/// <summary>The commitment of a data key in its place.</summary>
public sealed record CommitmentVector(string Key, int Number, string Scope, string Commitment);

/// <summary>
/// The vectors of FORMAT.md. They were made with the Python module cryptography from the document alone, not with this library.
/// </summary>
public static class EnvelopeVectors
{
    /// <summary>Gets the algorithms whose envelopes open.</summary>
    public static EnvelopeAlgorithm[] Ciphers { get; } = [EnvelopeAlgorithm.Aes256Gcm, EnvelopeAlgorithm.Aes256Siv];

    public const string KeyA = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    public const string KeyB = "f0e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff";

    // Data key A, version 1, column 'Patients.Ssn', type 'string'.
    public const string SubkeyOfTheFirstVector = "ca4bee3c0ad0cdb394311497a37cc2ab4d1295db0d9aef83a927bc2af48859d3";

    // The same with AES-256-SIV: two keys.
    public const string SubkeyOfTheFirstDeterministicVector =
        "53524d601aec54a9f54eec170fa2c57dd2cb9192fb9c8d7d130efdb3de2a6d39"
        + "f4d18be1ebe842ca316975d525c95a5e2c0d420cf53ff4dddff5c5a3715465cf";

    public static readonly CommitmentVector[] Commitments =
    [
        new(KeyA, 1, "default", "57393b85d439bfd62926f1714389b92ad1565b67c88c40a54300b62d492eaa02"),
        new(KeyA, 2, "default", "63818a32371e15d71ebd767df2f0a0dfd62e1095badcb628d60fa47ce2a904c9"),
        new(KeyB, 1, "clinic/eu-1", "f4e3b3831f7b675afcd16ba77f50304ff383e52b6f472cc1f75e595654ca57b5"),
    ];

    public static readonly EnvelopeVector[] All =
    [
        new("text", KeyA, 1, "Patients.Ssn", "string", "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "3037382d30352d31313230"),
        new("empty text", KeyA, 1, "Patients.Ssn", "string", "f900000001202122232425262728292a2bfc1e02a6e03fd7aca7c4e5fed9c423f6", ""),
        new("text beyond ASCII", KeyA, 2, "clinic.Patients.Name", "string", "f900000002303132333435363738393a3bb36c97a1a157660287cb98953e3769c9932cb4a9aa517367862e925a5c", "5a6fc3ab20f09d948a20e69d8e"),
        new("field name beyond ASCII", KeyA, 1, "Пациенты.Имя", "string", "f900000001404142434445464748494a4bbc77c794d29bd972b196be9c787c3c92dc1e88", "416461"),
        new("bytes", KeyB, 1, "Scans.Image", "bytes", "f900000001505152535455565758595a5b028f1bd81cf6d0c5c34b3c34655837286b6a5216", "00ff10f9"),
        new("bool", KeyA, 1, "Patients.Insured", "bool", "f900000001606162636465666768696a6b5a15999fc625142783042227b2d9a5972e", "01"),
        new("int32", KeyB, 3, "Visits.Count", "int32", "f900000003707172737475767778797a7b87c81ac354f70e73cc783d1dd048398e3a1cacae", "fffffffe"),
        new("int64 under the highest key number", KeyB, 2147483647, "Visits.Ticket", "int64", "f97fffffff808182838485868788898a8b06ae9517d4cbe56cfc994c22fcb041c956357780b6bf837a", "0123456789abcdef"),
        new("float64", KeyA, 1, "Visits.Weight", "float64", "f900000001909192939495969798999a9b875a7443da04e192d01359af0fd0aaac7dda8634e63f6bc8", "8000000000000000"),
        new("decimal 1.50", KeyA, 1, "Bills.Total", "decimal", "f900000001a0a1a2a3a4a5a6a7a8a9aaab5a48017f7ee38744507ac871df917d715cfbac5b37f59332bca12e31252123a8", "00020000000000000000000000000096"),
        new("guid", KeyA, 1, "Visits.Id", "guid", "f900000001b0b1b2b3b4b5b6b7b8b9babb9bd2dabfdab9673c68e6a59e2b8425c7635455d7470927df69cecbe931e4c2a3", "00112233445566778899aabbccddeeff"),
        new("date 2000-01-01", KeyA, 1, "Patients.BirthDate", "date", "f900000001c0c1c2c3c4c5c6c7c8c9cacb57fc7864a1f3079e636a0e681e654891820079af", "000b2407"),
        new("datetime 2000-01-01T00:00:00Z", KeyA, 1, "Visits.At", "datetime", "f900000001d0d1d2d3d4d5d6d7d8d9dadbfb491973656e422dcfe12b81a3a1832dab65aaf1be68e8c0", "48c1220247e44000"),
        new("json", KeyA, 1, "Patients.Allergies", "json", "f900000001e0e1e2e3e4e5e6e7e8e9eaebe5a94998eef574a758909b5e619ff86545ae5102834d8ada60871c5e3c7de5", "5b226e757473222c225a6fc3ab225d"),
        new("no bytes", KeyA, 1, "Patients.Ssn", "string", "", "not-an-envelope"),
        new("plain text", KeyA, 1, "Patients.Ssn", "string", "3037382d30352d3131323020616e64206d6f7265207468616e207468697274792d7468726565206279746573", "not-an-envelope"),
        new("mark without key number", KeyA, 1, "Patients.Ssn", "string", "f9000000", "not-an-envelope"),
        new("first byte below the mark", KeyA, 1, "Patients.Ssn", "string", "f700000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "not-an-envelope"),
        new("algorithm 0", KeyA, 1, "Patients.Ssn", "string", "f800000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "unknown-algorithm"),
        new("algorithm 7", KeyA, 1, "Patients.Ssn", "string", "ff00000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "unknown-algorithm"),
        new("header alone", KeyA, 1, "Patients.Ssn", "string", "f900000001", "truncated"),
        new("a byte short of the shortest", KeyA, 1, "Patients.Ssn", "string", "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5", "truncated"),
        new("last byte missing", KeyA, 1, "Patients.Ssn", "string", "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea6621", "authentication-failed"),
        new("a byte too many", KeyA, 1, "Patients.Ssn", "string", "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea66217700", "authentication-failed"),
        new("ciphertext changed", KeyA, 1, "Patients.Ssn", "string", "f900000001101112131415161718191a1bcfd5bedb0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "authentication-failed"),
        new("tag changed", KeyA, 1, "Patients.Ssn", "string", "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea6621f7", "authentication-failed"),
        new("nonce changed", KeyA, 1, "Patients.Ssn", "string", "f900000001111112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "authentication-failed"),
        new("moved to another column", KeyA, 1, "Patients.Name", "string", "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "authentication-failed"),
        new("read as another type", KeyA, 1, "Patients.Ssn", "bytes", "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "authentication-failed"),
        new("under another data key", KeyB, 1, "Patients.Ssn", "string", "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "authentication-failed"),
        new("header renumbered, same key as version 2", KeyA, 2, "Patients.Ssn", "string", "f900000002101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "authentication-failed"),
        new("key number that the ring lacks", KeyA, 2, "Patients.Ssn", "string", "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "unknown-key-version"),
        new("deterministic text", KeyA, 1, "Patients.Ssn", "string", "fa00000001c361236cbbd5cbc096ba53d0327d94843af39f80407a40db50effb", "3037382d30352d31313230"),
        new("deterministic empty text", KeyA, 1, "Patients.Ssn", "string", "fa00000001600ce3440e272d3e9c432a515180f1d5", ""),
        new("deterministic text of 15 bytes", KeyA, 1, "Patients.Ssn", "string", "fa00000001204af63a38af944c4897e47212c105b28053834be410265fa6cf05f1436ab5", "3037382d30352d3131323020416461"),
        new("deterministic text of 16 bytes", KeyA, 1, "Patients.Ssn", "string", "fa0000000115bb068abc9a4bf0086a82f7830e16f7995bd7feb8dbeb9d5b021fadcf6fed6c", "3037382d30352d3131323020416c616e"),
        new("deterministic text of 17 bytes", KeyA, 1, "Patients.Ssn", "string", "fa000000014e6f6b94b61ed37ad2861b684bd30bdea1ae60df2417ea40eae54f564a19376456", "3037382d30352d31313230204772616365"),
        new("deterministic text of 27 bytes beyond ASCII", KeyA, 2, "clinic.Patients.Name", "string", "fa0000000236c46efd06a5da1241d197f02a9724f27d9214c5148fead92ff581d30f44b283adde429378637bccb4c5f1", "5a6fc3ab20f09d948a20e69d8e20616e6420416461204279726f6e"),
        new("deterministic bytes, two blocks", KeyB, 1, "Scans.Image", "bytes", "fa00000001567e5999813b0e5650981cdd709556683ff083db44ae1d9be406bdb49af8d5d9794e6e4feb723cec31d5e4ddfa527c85", "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"),
        new("deterministic int32", KeyB, 3, "Visits.Count", "int32", "fa000000039bd38ff1c3e7919534c1edbe41fc3389b7ba628c", "fffffffe"),
        new("deterministic int64 under the highest key number", KeyB, 2147483647, "Visits.Ticket", "int64", "fa7fffffffc57fb466c900a0da7b3bb743d75dc33d80e642b3d9e198d2", "0123456789abcdef"),
        new("deterministic guid", KeyA, 1, "Visits.Id", "guid", "fa0000000193140eeed90497ddb95b017c15c92acf19bb05c550c3dd31a4b4394cc0f62434", "00112233445566778899aabbccddeeff"),
        new("deterministic header alone", KeyA, 1, "Patients.Ssn", "string", "fa00000001", "truncated"),
        new("deterministic, a byte short of the shortest", KeyA, 1, "Patients.Ssn", "string", "fa00000001c361236cbbd5cbc096ba53d0327d94", "truncated"),
        new("deterministic, last byte missing", KeyA, 1, "Patients.Ssn", "string", "fa00000001c361236cbbd5cbc096ba53d0327d94843af39f80407a40db50ef", "authentication-failed"),
        new("deterministic, a byte too many", KeyA, 1, "Patients.Ssn", "string", "fa00000001c361236cbbd5cbc096ba53d0327d94843af39f80407a40db50effb00", "authentication-failed"),
        new("deterministic, cut to V", KeyA, 1, "Patients.Ssn", "string", "fa00000001c361236cbbd5cbc096ba53d0327d9484", "authentication-failed"),
        new("deterministic, ciphertext changed", KeyA, 1, "Patients.Ssn", "string", "fa00000001c361236cbbd5cbc096ba53d0327d94843af39f80417a40db50effb", "authentication-failed"),
        new("deterministic, V changed", KeyA, 1, "Patients.Ssn", "string", "fa00000001c261236cbbd5cbc096ba53d0327d94843af39f80407a40db50effb", "authentication-failed"),
        new("deterministic, V changed in a bit that the counter leaves out", KeyA, 1, "Patients.Ssn", "string", "fa00000001c361236cbbd5cbc016ba53d0327d94843af39f80407a40db50effb", "authentication-failed"),
        new("deterministic, moved to another column", KeyA, 1, "Patients.Name", "string", "fa00000001c361236cbbd5cbc096ba53d0327d94843af39f80407a40db50effb", "authentication-failed"),
        new("deterministic, read as another type", KeyA, 1, "Patients.Ssn", "bytes", "fa00000001c361236cbbd5cbc096ba53d0327d94843af39f80407a40db50effb", "authentication-failed"),
        new("deterministic, under another data key", KeyB, 1, "Patients.Ssn", "string", "fa00000001c361236cbbd5cbc096ba53d0327d94843af39f80407a40db50effb", "authentication-failed"),
        new("deterministic, header renumbered, same key as version 2", KeyA, 2, "Patients.Ssn", "string", "fa00000002c361236cbbd5cbc096ba53d0327d94843af39f80407a40db50effb", "authentication-failed"),
        new("deterministic, first byte of AES-256-GCM", KeyA, 1, "Patients.Ssn", "string", "f9000000014e6f6b94b61ed37ad2861b684bd30bdea1ae60df2417ea40eae54f564a19376456", "authentication-failed"),
        new("randomized, first byte of AES-256-SIV", KeyA, 1, "Patients.Ssn", "string", "fa00000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177", "authentication-failed"),
        new("deterministic, key number that the ring lacks", KeyA, 2, "Patients.Ssn", "string", "fa00000001c361236cbbd5cbc096ba53d0327d94843af39f80407a40db50effb", "unknown-key-version"),
    ];
}
