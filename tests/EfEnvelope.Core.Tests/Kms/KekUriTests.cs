using EfEnvelope.Kms;

namespace EfEnvelope.Tests;

public class KekUriTests
{
    [Theory]
    [InlineData("local:clinic", "local", "clinic")]
    [InlineData("aws-kms:alias/clinic", "aws-kms", "alias/clinic")]
    [InlineData("aws-kms:arn:aws:kms:eu-central-1:111122223333:key/1", "aws-kms", "arn:aws:kms:eu-central-1:111122223333:key/1")]
    [InlineData("pkcs11:token=a b;object=ü", "pkcs11", "token=a b;object=ü")]
    [InlineData("azure-kv:https://v.vault.azure.net/keys/k", "azure-kv", "https://v.vault.azure.net/keys/k")]
    public void Provider_and_key_stand_before_and_after_the_first_colon(string text, string scheme, string key)
    {
        var uri = new KekUri(text);

        Assert.Equal((scheme, key, text), (uri.Scheme, uri.Key, uri.ToString()));
        Assert.Equal(uri, new KekUri(scheme, key));
        Assert.True(KekUri.TryParse(text, out var parsed));
        Assert.Equal(uri, parsed);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("clinic")]
    [InlineData(":clinic")]
    [InlineData("local:")]
    [InlineData("Local:clinic")]
    [InlineData("lo cal:clinic")]
    [InlineData("lokäl:clinic")]
    [InlineData("local:cli\nnic")]
    [InlineData("local:clinic\0")]
    public void Malformed_text_is_refused(string? text)
    {
        Assert.Throws<ArgumentException>(() => new KekUri(text!));
        Assert.False(KekUri.TryParse(text, out _));
    }

    [Theory]
    [InlineData("a:b", "c")]
    [InlineData("", "c")]
    [InlineData("a", "")]
    [InlineData("A", "b")]
    public void Malformed_parts_are_refused_and_never_shifted_into_one_another(string scheme, string key)
        => Assert.Throws<ArgumentException>(() => new KekUri(scheme, key));

    [Fact]
    public void Text_longer_than_2048_characters_is_refused()
    {
        Assert.Equal(2048, new KekUri("local:" + new string('x', 2042)).ToString().Length);
        Assert.Throws<ArgumentException>(() => new KekUri("local:" + new string('x', 2043)));
    }

    [Fact]
    public void Uri_that_was_never_given_a_value_has_no_parts()
    {
        Assert.Throws<InvalidOperationException>(() => default(KekUri).Scheme);
        Assert.Throws<InvalidOperationException>(() => default(KekUri).Key);
    }
}
