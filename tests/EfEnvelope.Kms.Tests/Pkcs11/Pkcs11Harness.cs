using EfEnvelope.Kms.Pkcs11;
using EfEnvelope.Kms.Tests.Conformance;
using EfEnvelope.Kms.Tests.Http;
using Net.Pkcs11Interop.Common;

namespace EfEnvelope.Kms.Tests.Pkcs11;

/// <summary>A token of a real module, with two KEKs.</summary>
internal sealed class Pkcs11Harness : KmsHarness
{
    private const string NotRemote = "A PKCS#11 module is a library in this process: there is no server that could do this.";

    private readonly Pkcs11Options _options;
    private readonly CollectedLog _log = new();

    private Pkcs11Harness(Pkcs11Options options)
    {
        _options = options;
        (Wrapper, OtherKey, MissingKey) = (Client("first"), Client("other"), Client("missing"));
    }

    public override IKeyWrapper Wrapper { get; }

    public override IKeyWrapper OtherKey { get; }

    public override IKeyWrapper MissingKey { get; }

    public override bool IsRemote => false;

    public override string Log => _log.Text;

    public override IEnumerable<string> Secrets => [_options.Pin.ReadAsync(default).AsTask().Result];

    public override IReadOnlyDictionary<KmsLever, string> Cannot { get; } = new Dictionary<KmsLever, string>
    {
        [KmsLever.ScheduleDeletion] = "A token deletes a key object at once: there is no waiting time.",
        [KmsLever.Deny] = "A token knows one user, who may use all of its keys: who may not has no PIN.",
        [KmsLever.ExpireCredentials] = "A PIN does not expire, and a refused one is never sent twice.",
        [KmsLever.Throttle] = NotRemote,
        [KmsLever.Fail] = NotRemote,
        [KmsLever.Hang] = NotRemote,
        [KmsLever.Drop] = NotRemote,
        [KmsLever.Stop] = NotRemote,
    };

    // The version is an id of the other KEK, which this one has not: that is all that can be told.
    public override IReadOnlyDictionary<KmsFact, (KmsErrorKind Kind, string Why)> Deviations { get; } = new Dictionary<KmsFact, (KmsErrorKind, string)>
    {
        [KmsFact.OtherKey] = (KmsErrorKind.NotFound, "Key objects are found by label and id; the other KEK's id is not among this one's."),
    };

    public static async Task<Pkcs11Harness> StartAsync(Pkcs11Options options)
    {
        await Pkcs11Kms.CreateKeyAsync("first", options);
        await Pkcs11Kms.CreateKeyAsync("other", options);
        return new Pkcs11Harness(options);
    }

    public override async ValueTask RotateAsync() => await Pkcs11Kms.CreateKeyAsync("first", _options);

    public override ValueTask DisableAsync()
    {
        SoftHsm.Set(_options, "first", (CKA.CKA_ENCRYPT, false), (CKA.CKA_DECRYPT, false));
        return ValueTask.CompletedTask;
    }

    public override ValueTask EnableAsync()
    {
        SoftHsm.Set(_options, "first", (CKA.CKA_ENCRYPT, true), (CKA.CKA_DECRYPT, true));
        return ValueTask.CompletedTask;
    }

    public override ValueTask DeleteAsync()
    {
        SoftHsm.Remove(_options, "first");
        return ValueTask.CompletedTask;
    }

    public override ValueTask DisposeAsync()
    {
        foreach (var wrapper in (IKeyWrapper[])[Wrapper, OtherKey, MissingKey])
            ((IDisposable)wrapper).Dispose();
        return ValueTask.CompletedTask;
    }

    private IKeyWrapper Client(string label) => Pkcs11Kms.CreateKeyWrapper(label, _options, new KmsServices(TimeProvider.System, _log));
}
