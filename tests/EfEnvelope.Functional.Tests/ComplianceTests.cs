using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

/// <summary>Every specification runs on every provider.</summary>
public sealed class ComplianceTests
{
    // Provider and specification, with the reason.
    private static readonly Dictionary<(string Provider, Type Specification), string> Exceptions = [];

    // Bases that hold no tests of their own.
    private static readonly Type[] Bases = [typeof(EnvelopeSpecification), typeof(AdHocSpecification), typeof(ClinicSpecification), typeof(MigratingSpecification), typeof(ScansFixture), typeof(EngineSpecification)];

    public static TheoryData<string> Providers => ["Sqlite", "Postgres", "SqlServer"];

    [Theory]
    [MemberData(nameof(Providers))]
    public void Every_specification_has_a_class_for_the_provider(string provider)
    {
        var specifications = typeof(EnvelopeSpecification).Assembly.GetTypes()
            .Where(t => t.IsAbstract && t.IsSubclassOf(typeof(EnvelopeSpecification)) && !Bases.Contains(t)).ToList();
        Assert.True(specifications.Count >= 9);
        var classes = typeof(ComplianceTests).Assembly.GetTypes().Where(t => !t.IsAbstract && t.Name.StartsWith(provider, StringComparison.Ordinal)).ToList();
        var missing = specifications.Where(s => !Exceptions.ContainsKey((provider, s)) && !classes.Any(c => c.IsSubclassOf(s)));
        Assert.Equal([], missing.Select(s => s.Name));
    }

    [Fact]
    public void Every_exception_has_a_reason() => Assert.All(Exceptions.Values, reason => Assert.False(string.IsNullOrWhiteSpace(reason)));
}
