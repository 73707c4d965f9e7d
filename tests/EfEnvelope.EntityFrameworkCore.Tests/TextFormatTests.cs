using Xunit;

namespace EfEnvelope.EntityFrameworkCore.Tests;

/// <summary>How envelopes stand in text columns is part of the format, and documented.</summary>
public sealed class TextFormatTests
{
    // The first vector of FORMAT.md, and what it says of it.
    private const string Envelope = "f900000001101112131415161718191a1bcfd5beda0e5dc86a9f51ebae0afea5928218d68a28e105ea662177";
    private const string Text = "efenvelope:v1:-QAAAAEQERITFBUWFxgZGhvP1b7aDl3Iap9R664K_qWSghjWiijhBepmIXc";

    [Fact]
    public void Envelope_is_its_prefix_and_base64url_without_padding() => Assert.Equal(Text, TextEnvelope.Encode(Convert.FromHexString(Envelope)));

    [Fact]
    public void Length_of_the_text_is_known_from_the_length_of_the_envelope()
    {
        for (var length = 0; length < 200; length++)
            Assert.Equal(TextEnvelope.Encode(new byte[length]).Length, TextEnvelope.LengthOf(length));
    }
}
