using EfEnvelope.Kms;

namespace EfEnvelope.Tests;

public class WrappedKeyTests
{
    [Fact]
    public void Stored_form_is_an_array_of_copies()
    {
        var wrapped = new WrappedKey(
            new WrappedKeyCopy(new KekUri("aws-kms:alias/clinic"), null, new byte[] { 1, 2, 3 }),
            new WrappedKeyCopy(new KekUri("local:clinic"), "7", new byte[] { 4 }));

        Assert.Equal("""[{"kek":"aws-kms:alias/clinic","key":"AQID"},{"kek":"local:clinic","version":"7","key":"BA=="}]""", wrapped.ToString());
    }

    [Fact]
    public void Stored_form_is_read_as_it_was_written()
    {
        var wrapped = new WrappedKey(
            new WrappedKeyCopy(new KekUri("local:\"ü<+>\\"), "v \"1\"", Enumerable.Range(0, 256).Select(i => (byte)i).ToArray()),
            new WrappedKeyCopy(new KekUri("local:b"), "", Array.Empty<byte>()));

        var read = WrappedKey.Parse(wrapped.ToString());

        Assert.Equal(wrapped.Copies.Select(c => (c.Kek, c.KekVersion)), read.Copies.Select(c => (c.Kek, c.KekVersion)));
        Assert.All(wrapped.Copies.Zip(read.Copies), pair => Assert.Equal(pair.First.Ciphertext.ToArray(), pair.Second.Ciphertext.ToArray()));
        Assert.Equal(wrapped.ToString(), read.ToString());
    }

    [Fact]
    public void Members_that_a_later_version_adds_are_passed_over()
        => Assert.Equal("local:a", WrappedKey.Parse("""[{"kek":"local:a","key":"AQ==","note":{"x":1}}]""").Copies[0].Kek.ToString());

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("[null]")]
    [InlineData("[1]")]
    [InlineData("[\"a\"]")]
    [InlineData("[{}]")]
    [InlineData("[{\"kek\":\"local:a\"}]")]
    [InlineData("[{\"key\":\"AQ==\"}]")]
    [InlineData("[{\"kek\":\"local\",\"key\":\"AQ==\"}]")]
    [InlineData("[{\"kek\":\"local:a\",\"key\":\"?\"}]")]
    [InlineData("[{\"kek\":\"local:a\",\"key\":1}]")]
    [InlineData("[{\"kek\":1,\"key\":\"AQ==\"}]")]
    [InlineData("[{\"kek\":\"local:a\",\"version\":1,\"key\":\"AQ==\"}]")]
    [InlineData("[{\"kek\":\"local:a\",\"kek\":\"local:b\",\"key\":\"AQ==\"}]")]
    [InlineData("[{\"kek\":\"local:a\",\"key\":\"AQ==\"}")]
    [InlineData("[{\"kek\":\"local:a\",\"key\":\"AQ==\"}] x")]
    [InlineData("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[")]
    public void Malformed_stored_form_is_refused(string? text)
    {
        var e = Assert.Throws<FormatException>(() => WrappedKey.Parse(text!));
        Assert.Null(e.InnerException);
    }

    [Fact]
    public void Wrapped_key_needs_a_copy()
        => Assert.Throws<ArgumentException>(() => new WrappedKey([]));

    [Fact]
    public void Copies_given_are_not_changed_from_outside()
    {
        var copies = new[] { new WrappedKeyCopy(new KekUri("local:a"), null, new byte[] { 1 }) };
        var wrapped = new WrappedKey(copies);
        copies[0] = copies[0] with { Kek = new KekUri("local:b") };

        Assert.Equal("local:a", wrapped.Copies[0].Kek.ToString());
    }

    [Fact]
    public void Printed_copy_names_its_kek_and_not_its_bytes()
        => Assert.Equal(
            "WrappedKeyCopy(local:a version 2)", new WrappedKeyCopy(new KekUri("local:a"), "2", new byte[] { 0xAB, 0xCD }).ToString());
}
