using System.Collections;
using System.Reflection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;

namespace EfEnvelope.Kms.Local;

public sealed class UseLocalKmsTests : IDisposable
{
    private readonly TestKms _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task With_a_credential_it_may_do_what_the_rules_say_and_makes_nothing()
    {
        LocalKmsCredential credential;
        using (var kms = await _test.CreateAsync())
        {
            credential = LocalKmsCredential.Parse(await kms.Access.CreatePrincipalAsync("app", TestKms.Cancellation));
            await kms.Access.CreateGrantAsync("app", TestKms.KeyName, ["Wrap"], cancellationToken: TestKms.Cancellation);
        }

        var seal = TestKms.QuickSeal();
        var wrapper = Configure(_test.ConnectionString);
        using (wrapper as IDisposable)
        {
            var wrapped = await wrapper.WrapAsync(TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
            await TestKms.ThrowsAsync(
                KmsErrorKind.AccessDenied, async () => await wrapper.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        }

        var absent = Path.Combine(_test.Folder, "absent.db");
        using var elsewhere = Configure($"Data Source={absent}") as IDisposable;
        await TestKms.ThrowsAsync(
            KmsErrorKind.NotFound,
            async () => await ((IKeyWrapper)elsewhere!).WrapAsync(TestKms.NewKey(), TestKms.Context, TestKms.Cancellation));
        Assert.False(File.Exists(absent));

        IKeyWrapper Configure(string connectionString)
            => new LocalKmsIdentity(new Storage.FilePlace(Storage.LocalKmsFile.Parse(connectionString)), seal, TestKms.KeyName, credential)
                .CreateWrapper(new KmsServices(TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance));
    }

    [Fact]
    public async Task Wrapping_needs_neither_file_nor_key_to_exist()
    {
        var registration = Registered(new EnvelopeOptionsBuilder().UseLocalKms(_test.ConnectionString, TestKms.Passphrase));
        Assert.False(File.Exists(_test.File));
        var wrapper = registration.Create(new KmsServices(TimeProvider.System, NullLoggerFactory.Instance));
        Assert.False(File.Exists(_test.File));
        var key = TestKms.NewKey();

        var wrapped = await wrapper.WrapAsync(key, TestKms.Context, TestKms.Cancellation);

        Assert.Equal("local:efenvelope", wrapped.Kek.ToString());
        Assert.Equal(wrapper.Kek, wrapped.Kek);
        Assert.Equal(key, await wrapper.UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));
        await ((IAsyncDisposable)wrapper).DisposeAsync();
    }

    [Fact]
    public async Task Unwrapping_never_creates_a_file()
    {
        WrappedKeyCopy wrapped;
        using (var kms = await _test.CreateAsync())
            wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        File.Delete(_test.File);

        var exception = await TestKms.ThrowsAsync(
            KmsErrorKind.NotFound,
            async () => await _test.OpenConfigured().UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        Assert.Empty(Directory.GetFiles(_test.Folder));
        Assert.Contains(_test.File, exception.Message);
        Assert.Contains("local:clinic", exception.Message);
        Assert.Contains("restore", exception.Message);
    }

    [Fact]
    public async Task Unwrapping_leaves_an_empty_file_empty()
    {
        WrappedKeyCopy wrapped;
        using (var kms = await _test.CreateAsync())
            wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);
        await File.WriteAllBytesAsync(_test.File, [], TestKms.Cancellation);

        await TestKms.ThrowsAsync(
            KmsErrorKind.NotFound,
            async () => await _test.OpenConfigured().UnwrapAsync(wrapped, TestKms.Context, TestKms.Cancellation));

        Assert.Equal(0, new FileInfo(_test.File).Length);
    }

    [Fact]
    public async Task Unwrapping_never_creates_a_key()
    {
        using var kms = await _test.CreateAsync();
        var wrapped = await kms.WrapAsync(TestKms.KeyName, TestKms.NewKey(), TestKms.Context, TestKms.Cancellation);

        await TestKms.ThrowsAsync(
            KmsErrorKind.NotFound,
            async () => await _test.OpenConfigured(keyName: "absent").UnwrapAsync(
                wrapped with { Kek = new KekUri("local:absent") }, TestKms.Context, TestKms.Cancellation));

        Assert.Single(await kms.ListKeysAsync(TestKms.Cancellation));
    }

    [Fact]
    public void Same_configuration_has_the_same_identity()
    {
        var relative = Path.GetRelativePath(Environment.CurrentDirectory, _test.File);
        var identity = Identity(b => b.UseLocalKms(_test.ConnectionString, "a passphrase", "clinic"));

        Assert.Equal(identity, Identity(b => b.UseLocalKms($"data source={relative}", "a passphrase", "clinic")));
        Assert.Equal(
            identity.GetHashCode(), Identity(b => b.UseLocalKms(_test.ConnectionString, "a passphrase", "clinic")).GetHashCode());
        Assert.Equal(identity, Identity(b => b.UseLocalKms(_test.ConnectionString, LocalKmsSeal.Passphrase("a passphrase"), "clinic")));
        Assert.Equal(
            Identity(b => b.UseLocalKms(_test.ConnectionString, LocalKmsSeal.KeyFile(_test.File + ".key"))),
            Identity(b => b.UseLocalKms(_test.ConnectionString, LocalKmsSeal.KeyFile(relative + ".key"))));
    }

    [Fact]
    public void Another_configuration_has_another_identity()
    {
        var identity = Identity(b => b.UseLocalKms(_test.ConnectionString, "a passphrase", "clinic"));

        Assert.NotEqual(identity, Identity(b => b.UseLocalKms(_test.ConnectionString, "A passphrase", "clinic")));
        Assert.NotEqual(identity, Identity(b => b.UseLocalKms(_test.ConnectionString, "a passphrase", "other")));
        Assert.NotEqual(identity, Identity(b => b.UseLocalKms(_test.ConnectionString + "2", "a passphrase", "clinic")));
        Assert.NotEqual(identity, Identity(b => b.UseLocalKms(_test.ConnectionString, LocalKmsSeal.KeyFile("a passphrase"), "clinic")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("Data Source=:memory:")]
    [InlineData("Data Source=kms.db;Mode=Memory")]
    [InlineData("Data Source=kms.db;Mode=ReadOnly")]
    [InlineData("Data Source=file:kms.db")]
    [InlineData("Data Source=kms.db;Password=hunter2")]
    [InlineData("Data Source=kms.db;Default Timeout=0")]
    [InlineData("Server=hunter2")]
    public void Connection_string_that_names_no_file_of_its_own_is_refused_at_once(string connectionString)
    {
        var exception = Assert.Throws<ArgumentException>(
            () => new EnvelopeOptionsBuilder().UseLocalKms(connectionString, TestKms.Passphrase));

        Assert.DoesNotContain("hunter2", exception.ToString());
    }

    [Fact]
    public void Empty_passphrase_or_malformed_name_is_refused_at_once()
    {
        var builder = new EnvelopeOptionsBuilder();

        Assert.Throws<ArgumentException>(() => builder.UseLocalKms(_test.ConnectionString, ""));
        Assert.Throws<ArgumentException>(() => builder.UseLocalKms(_test.ConnectionString, (string)null!));
        Assert.Throws<ArgumentException>(() => builder.UseLocalKms(_test.ConnectionString, "half \ud800 a pair"));
        Assert.Throws<ArgumentException>(() => builder.UseLocalKms(_test.ConnectionString, TestKms.Passphrase, "no spaces"));
    }

    private static object Identity(Action<EnvelopeOptionsBuilder> configure)
    {
        var builder = new EnvelopeOptionsBuilder();
        configure(builder);
        return Registered(builder).Identity;
    }

    // The builder shows its registrations to the EF integration alone.
    private static (object Identity, Func<KmsServices, IKeyWrapper> Create) Registered(EnvelopeOptionsBuilder builder)
    {
        const BindingFlags any = BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public;
        var registrations = (IEnumerable)typeof(EnvelopeOptionsBuilder).GetProperty("Kms", any)!.GetValue(builder)!;
        var registration = Assert.Single(registrations.Cast<object>());
        object Get(string name) => registration.GetType().GetProperty(name, any)!.GetValue(registration)!;
        return (Get("Identity"), (Func<KmsServices, IKeyWrapper>)Get("Create"));
    }
}
