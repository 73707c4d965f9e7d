using System.Reflection;

namespace EfEnvelope.Kms.Tests.Conformance;

/// <summary>Which provider runs the suite, and what it cannot do or does otherwise: whoever changes that changes this list.</summary>
public sealed class ComplianceTests
{
    // What a provider has not, and the kinds that it tells in place of the suite's. The reasons stand in its harness.
    private static readonly Dictionary<string, (KmsLever[] Cannot, (KmsFact Fact, KmsErrorKind Kind)[] Deviations)> Known = new()
    {
        ["KeyVaultConformanceTests"] = ([KmsLever.ScheduleDeletion], [(KmsFact.OtherKey, KmsErrorKind.NotFound)]),
        ["ManagedHsmConformanceTests"] = ([KmsLever.ScheduleDeletion], [(KmsFact.OtherKey, KmsErrorKind.NotFound)]),
        ["NssPkcs11ConformanceTests"] = (
            [
                KmsLever.ScheduleDeletion, KmsLever.Deny, KmsLever.ExpireCredentials, KmsLever.Throttle, KmsLever.Fail, KmsLever.Hang, KmsLever.Drop,
                KmsLever.Stop,
            ],
            [(KmsFact.OtherKey, KmsErrorKind.NotFound)]),
        ["OciConformance"] = (
            [],
            [
                (KmsFact.Deleted, KmsErrorKind.NotFoundOrDenied), (KmsFact.NotFound, KmsErrorKind.NotFoundOrDenied),
                (KmsFact.Denied, KmsErrorKind.NotFoundOrDenied),
            ]),
        ["Pkcs11ConformanceTests"] = (
            [
                KmsLever.ScheduleDeletion, KmsLever.Deny, KmsLever.ExpireCredentials, KmsLever.Throttle, KmsLever.Fail, KmsLever.Hang, KmsLever.Drop,
                KmsLever.Stop,
            ],
            [(KmsFact.OtherKey, KmsErrorKind.NotFound)]),
        ["PostgresLocalConformanceTests"] = (
            [KmsLever.ExpireCredentials, KmsLever.Throttle, KmsLever.Fail, KmsLever.Hang, KmsLever.Drop, KmsLever.Stop], []),
        ["SqliteLocalConformanceTests"] = (
            [KmsLever.ExpireCredentials, KmsLever.Throttle, KmsLever.Fail, KmsLever.Hang, KmsLever.Drop, KmsLever.Stop], []),
        ["VaultConformanceTests"] = ([KmsLever.Disable, KmsLever.ScheduleDeletion], [(KmsFact.OtherKey, KmsErrorKind.InvalidCiphertext)]),
        ["VaultNamespaceConformanceTests"] = ([KmsLever.Disable, KmsLever.ScheduleDeletion], [(KmsFact.OtherKey, KmsErrorKind.InvalidCiphertext)]),
    };

    // Classes whose service is not on every machine; without it their tests skip with a reason.
    private static readonly string[] Optional = ["OtherModulePkcs11ConformanceTests", "RealVaultConformanceTests", "SqlServerLocalConformanceTests"];

    private static readonly string[] Providers = ["Aws", "Azure", "GoogleCloud", "Local", "Oci", "Pkcs11", "Vault"];

    private static IEnumerable<Type> Classes
        => typeof(KmsConformance).Assembly.GetTypes().Where(t => !t.IsAbstract && t.IsSubclassOf(typeof(KmsConformance)));

    public static TheoryData<string> Started => [.. Classes.Select(t => t.Name).Except(Optional).Order(StringComparer.Ordinal)];

    [Fact]
    public void Every_provider_runs_the_suite()
        => Assert.Equal(Providers, Classes.Select(t => t.Namespace!.Split('.')[^1]).Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public void No_provider_replaces_a_test_of_the_suite()
    {
        var tests = typeof(KmsConformance).GetMethods().Where(m => m.GetCustomAttributes<FactAttribute>().Any()).ToList();

        Assert.True(tests.Count > 30);
        Assert.DoesNotContain(tests, t => t.IsVirtual);
        Assert.All(Classes, c => Assert.DoesNotContain(c.GetMethods(BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.Instance), m => tests.Exists(t => t.Name == m.Name)));
    }

    [Theory]
    [MemberData(nameof(Started))]
    public async Task What_a_provider_cannot_do_is_listed(string name)
    {
        var start = Classes.Single(t => t.Name == name).GetMethod("StartAsync", BindingFlags.NonPublic | BindingFlags.Instance)!;
        await using var kms = await (ValueTask<KmsHarness>)start.Invoke(Activator.CreateInstance(start.DeclaringType!), [])!;

        Assert.All(kms.Cannot.Values.Concat(kms.Deviations.Values.Select(d => d.Why)), reason => Assert.True(reason.Length > 20, reason));
        var (cannot, deviations) = Known.GetValueOrDefault(name, ([], []));
        Assert.Equal(string.Join(", ", cannot.Order()), string.Join(", ", kms.Cannot.Keys.Order()));
        Assert.Equal(string.Join(", ", deviations.OrderBy(d => d.Fact)), string.Join(", ", kms.Deviations.Select(d => (d.Key, d.Value.Kind)).OrderBy(d => d.Key)));
    }
}
