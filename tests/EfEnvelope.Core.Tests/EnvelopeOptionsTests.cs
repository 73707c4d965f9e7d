using System.Globalization;
using EfEnvelope.Specification.TestUtilities;

namespace EfEnvelope.Tests;

public class EnvelopeOptionsTests
{
    [Fact]
    public void Defaults_are_without_fault()
        => Builder(o => o).Validate();

    [Fact]
    public void All_faults_are_reported_in_one_message()
    {
        var builder = new EnvelopeOptionsBuilder().UseScope("no scope").Configure(o => o with
        {
            RefreshInterval = TimeSpan.Zero,
            StaleIfErrorFor = TimeSpan.FromTicks(-1),
            RetryInterval = TimeSpan.Zero,
            NegativeCacheTime = TimeSpan.FromTicks(-1),
            KmsTimeout = TimeSpan.Zero,
            ActivationDelay = TimeSpan.FromTicks(-1),
            RotateAfter = TimeSpan.FromTicks(-1),
            RotateAfterValues = 0,
        });

        var e = Assert.Throws<EnvelopeConfigurationException>(builder.Validate);

        Assert.Contains("'no scope'", e.Message, StringComparison.Ordinal);
        Assert.Contains("UseLocalKms", e.Message, StringComparison.Ordinal);
        Assert.Equal(10, e.Message.Split(Environment.NewLine).Length);
        foreach (var option in new[] { "RefreshInterval", "StaleIfErrorFor", "RetryInterval", "NegativeCacheTime", "KmsTimeout", "ActivationDelay", "RotateAfter", "RotateAfterValues" })
            Assert.Contains($"'EnvelopeOptions.{option}'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bounds_themselves_are_allowed()
    {
        Builder(o => o with
        {
            RefreshInterval = TimeSpan.FromTicks(1),
            StaleIfErrorFor = TimeSpan.Zero,
            RetryInterval = TimeSpan.FromTicks(1),
            NegativeCacheTime = TimeSpan.Zero,
            KmsTimeout = TimeSpan.FromTicks(1),
            ActivationDelay = TimeSpan.Zero,
            RotateAfter = TimeSpan.FromTicks(1),
            RotateAfterValues = 1,
        }).Validate();
        Builder(o => o with { RotateAfter = null, RotateAfterValues = 2147483648 }).Validate();
    }

    [Fact]
    public void Activation_before_every_instance_has_read_its_ring_anew_is_a_fault()
    {
        var e = Assert.Throws<EnvelopeConfigurationException>(
            Builder(o => o with { ActivationDelay = o.RefreshInterval - TimeSpan.FromTicks(1), RetryInterval = TimeSpan.Zero }).Validate);

        var faults = e.Message.Split(Environment.NewLine);
        Assert.Equal(2, faults.Length);
        Assert.Contains(
            faults,
            f => f.StartsWith("'EnvelopeOptions.ActivationDelay' is 00:59:59.9999999. It must be at least RefreshInterval, or zero", StringComparison.Ordinal));
        Assert.Contains(faults, f => f.StartsWith("'EnvelopeOptions.RetryInterval'", StringComparison.Ordinal));
    }

    [Fact]
    public void Activation_after_one_refresh_is_allowed_and_so_is_activation_at_once()
    {
        Builder(o => o with { ActivationDelay = o.RefreshInterval }).Validate();
        Builder(o => o with { ActivationDelay = TimeSpan.Zero }).Validate();
    }

    [Fact]
    public void Rotation_at_or_before_the_activation_of_the_next_version_is_a_fault()
        => Assert.Throws<EnvelopeConfigurationException>(Builder(o => o with { RotateAfter = o.ActivationDelay }).Validate);

    [Fact]
    public void More_values_per_version_than_half_the_safe_limit_are_a_fault()
        => Assert.Throws<EnvelopeConfigurationException>(Builder(o => o with { RotateAfterValues = 2147483649 }).Validate);

    [Fact]
    public void Message_does_not_depend_on_the_culture()
    {
        var before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo("ar-SA");
            var e = Assert.Throws<EnvelopeConfigurationException>(Builder(o => o with { RotateAfterValues = -5 }).Validate);
            Assert.Contains(" -5.", e.Message, StringComparison.Ordinal);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void Instance_of_a_kms_is_its_own_identity()
    {
        var kms = new TestKms();
        var builder = new EnvelopeOptionsBuilder().UseKms(kms);

        Assert.Same(kms, builder.Kms[0].Identity);
        Assert.Same(kms, builder.Kms[0].Create(null!));
    }

    private static EnvelopeOptionsBuilder Builder(Func<EnvelopeOptions, EnvelopeOptions> change)
        => new EnvelopeOptionsBuilder().UseKms(new TestKms()).Configure(change);
}
