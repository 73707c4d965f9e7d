using EfEnvelope.Keys;

namespace EfEnvelope.Tests;

public class KeyScopeTests
{
    [Theory]
    [InlineData("default")]
    [InlineData("7")]
    [InlineData("Clinic.eu_1/tenant-42")]
    public void Name_of_ascii_letters_digits_and_four_marks_is_a_scope(string name)
        => Assert.Equal(name, new KeyScope(name).Name);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(".a")]
    [InlineData("-a")]
    [InlineData("/a")]
    [InlineData("a b")]
    [InlineData("a:b")]
    [InlineData("é")]
    [InlineData("aı")]
    [InlineData("a\0")]
    [InlineData("a'--")]
    [InlineData("٣")]
    public void Name_that_a_database_could_fold_or_misread_is_refused(string? name)
    {
        var e = Assert.Throws<ArgumentException>(() => new KeyScope(name!));
        Assert.Contains($"'{name}'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Name_has_at_most_200_characters()
    {
        Assert.Equal(200, new KeyScope(new string('a', 200)).Name.Length);
        Assert.Throws<ArgumentException>(() => new KeyScope(new string('a', 201)));
    }

    [Fact]
    public void Names_that_differ_in_case_are_different_scopes()
        => Assert.NotEqual(new KeyScope("clinic"), new KeyScope("Clinic"));

    [Fact]
    public void Scope_that_was_never_given_a_name_has_none()
        => Assert.Throws<InvalidOperationException>(() => default(KeyScope).Name);

    [Fact]
    public void Version_prints_as_scope_and_number()
        => Assert.Equal("clinic/eu:v12", new KeyVersion(new KeyScope("clinic/eu"), 12).ToString());
}
