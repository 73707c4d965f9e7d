namespace EfEnvelope.Kms.Local.Access;

public sealed class PolicyParserTests
{
    private const string Good =
        """
        {
          "statements": [
            {
              "effect": "allow",
              "principals": ["clinic-app", "*"],
              "operations": ["Wrap", "unwrap", "Generate*"],
              "keys": ["clinic", "alias/front", "tenant/*"],
              "context": { "equals": { "scope": "clinic" }, "anyOf": { "table": ["a", "b"] }, "exists": ["tenant"] }
            }
          ]
        }
        """;

    [Fact]
    public void Document_is_read_with_all_of_its_parts()
    {
        var statement = Assert.Single(PolicyParser.Parse(Good).Statements);

        Assert.False(statement.Deny);
        Assert.Equal(["clinic-app", "*"], statement.Principals);
        Assert.Equal(["scope", "table", "tenant"], statement.Conditions.Select(c => c.Name));
        var context = new EncryptionContext([new("scope", "clinic"), new("table", "b"), new("tenant", "")]);
        Assert.True(statement.Applies(new AccessRequest("anyone", LocalKmsOperation.Unwrap, ["tenant/7"], context)));
        Assert.False(statement.Applies(new AccessRequest("root", LocalKmsOperation.Unwrap, ["tenant/7"], context)));
        Assert.False(statement.Applies(new AccessRequest("anyone", LocalKmsOperation.Decrypt, ["tenant/7"], context)));
        Assert.False(statement.Applies(new AccessRequest("anyone", LocalKmsOperation.Unwrap, ["Clinic"], context)));
        Assert.False(statement.Applies(new AccessRequest("anyone", LocalKmsOperation.Unwrap, [], context)));
        Assert.False(statement.Applies(new AccessRequest("anyone", LocalKmsOperation.Unwrap, ["clinic"], EncryptionContext.Empty)));
    }

    [Theory]
    [InlineData("\"effect\": \"allow\"", "\"effect\": \"Allow\"", "effect")]
    [InlineData("\"effect\": \"allow\",", "", "effect")]
    [InlineData("\"keys\"", "\"resources\"", "resources")]
    [InlineData("\"equals\"", "\"equal\"", "equal")]
    [InlineData("\"context\"", "\"conditions\"", "conditions")]
    [InlineData("\"Wrap\"", "\"Wrp\"", "Wrp")]
    [InlineData("\"Wrap\"", "\"*rap\"", "*rap")]
    [InlineData("\"tenant/*\"", "\"te*nant\"", "te*nant")]
    [InlineData("[\"clinic-app\", \"*\"]", "\"*\"", "principals")]
    [InlineData("[\"clinic-app\", \"*\"]", "[]", "principals")]
    [InlineData("\"clinic-app\"", "\"clinic*\"", "clinic*")]
    [InlineData("\"keys\": [", "\"effect\": \"deny\", \"keys\": [", "JSON")]
    [InlineData("{ \"scope\": \"clinic\" }", "{ \"scope\": 1 }", "scope")]
    [InlineData("{ \"scope\": \"clinic\" }", "{}", "equals")]
    [InlineData("\"tenant\"]", "\"\\ud800\"]", "surrogate")]
    [InlineData("\"statements\"", "\"version\": 1, \"statements\"", "version")]
    [InlineData("}\n", "},\n", "JSON")]
    public void Document_with_anything_that_is_not_known_is_refused(string text, string replacement, string named)
    {
        Assert.Contains(text, Good);

        var exception = Assert.Throws<FormatException>(() => PolicyParser.Parse(Good.Replace(text, replacement)));

        Assert.Contains(named, exception.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"statements\":[]}")]
    [InlineData("{\"statements\":[null]}")]
    public void What_is_no_policy_is_refused(string text) => Assert.Throws<FormatException>(() => PolicyParser.Parse(text));
}
