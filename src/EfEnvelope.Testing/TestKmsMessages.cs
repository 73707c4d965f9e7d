using EfEnvelope.Kms;

namespace EfEnvelope.Testing;

// Every text a user of the KMS for tests can meet, in three beats: what, whose, how to fix it.
internal static class TestKmsMessages
{
    public static string MalformedKeyName(string name)
        => $"'{name}' is not the name of a key of the KMS for tests. Give a text of 1 to 2,000 characters without control characters.";

    public static string NotATest(string variable, string environment)
        => $"'UseTestKms()' was called where '{variable}' is '{environment}'. The KMS for tests protects nothing: call 'UseLocalKms(…)' or another KMS there, "
            + $"or set '{variable}' to another name in tests.";

    public static string OtherKey(KekUri wrapped, KekUri own)
        => $"The key is wrapped under '{wrapped}', not under '{own}' of the KMS for tests. Give 'UseTestKms(…)' the name of the key that wrapped it, or make "
            + "the test database again.";

    public static string Refused(KekUri kek)
        => $"The wrapped key does not open under '{kek}' of the KMS for tests. It was altered, or is bound to another encryption context: make the test "
            + "database again.";
}
