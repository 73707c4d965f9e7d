namespace EfEnvelope.Kms.Tests.Conformance;

/// <summary>What the suite pulls to bring a KMS into a state.</summary>
public enum KmsLever
{
    Rotate,
    Disable,
    ScheduleDeletion,
    Delete,
    Deny,
    ExpireCredentials,
    Throttle,
    Fail,
    Hang,
    Drop,
    Stop,
}

/// <summary>In which case a provider may answer with another kind than the suite's.</summary>
public enum KmsFact
{
    WrongContext,
    Tampered,
    OtherKey,
    Disabled,
    PendingDeletion,
    Deleted,
    NotFound,
    Denied,
}

/// <summary>One provider's KMS, started for one test, with its levers. What it cannot do it names, with the reason.</summary>
public abstract class KmsHarness : IAsyncDisposable
{
    /// <summary>Gets levers that this provider has not, with the reason.</summary>
    public virtual IReadOnlyDictionary<KmsLever, string> Cannot { get; } = new Dictionary<KmsLever, string>();

    /// <summary>Gets facts that this provider reports as another kind, with the reason.</summary>
    public virtual IReadOnlyDictionary<KmsFact, (KmsErrorKind Kind, string Why)> Deviations { get; }
        = new Dictionary<KmsFact, (KmsErrorKind, string)>();

    /// <summary>Gets whether calls go over a network, so that they are retried and time out.</summary>
    public virtual bool IsRemote => true;

    /// <summary>How long an attempt may take where the time-out is not the subject of the test: longer than a busy machine needs.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>How long an attempt of <see cref="CreateImpatient" /> may take.</summary>
    public static readonly TimeSpan Impatience = TimeSpan.FromMilliseconds(500);

    /// <summary>Gets a client of the first KEK, whose caller may do everything.</summary>
    public abstract IKeyWrapper Wrapper { get; }

    /// <summary>Gets a client of a second KEK of the same service.</summary>
    public abstract IKeyWrapper OtherKey { get; }

    /// <summary>Gets a client of a KEK that does not exist.</summary>
    public abstract IKeyWrapper MissingKey { get; }

    /// <summary>Gets texts that must appear in no message: tokens, passwords, private keys.</summary>
    public virtual IEnumerable<string> Secrets => [];

    /// <summary>Gets what the client has logged so far, all levels, as text.</summary>
    public virtual string Log => "";

    /// <summary>Gets how many requests have reached the service, without those for credentials.</summary>
    public virtual int Requests => throw new NotSupportedException();

    /// <summary>Gets how often credentials were asked for after the first time.</summary>
    public virtual int Renewals => throw new NotSupportedException();

    /// <summary>Makes a client of the first KEK that gives up early, for tests of the time-out itself.</summary>
    public virtual IKeyWrapper CreateImpatient() => throw new NotSupportedException();

    /// <summary>Makes a new version of the first KEK primary.</summary>
    public virtual ValueTask RotateAsync() => throw new NotSupportedException();

    public virtual ValueTask DisableAsync() => throw new NotSupportedException();

    public virtual ValueTask EnableAsync() => throw new NotSupportedException();

    public virtual ValueTask ScheduleDeletionAsync() => throw new NotSupportedException();

    /// <summary>Deletes the first KEK for good.</summary>
    public virtual ValueTask DeleteAsync() => throw new NotSupportedException();

    /// <summary>From now on the caller may do nothing with the first KEK.</summary>
    public virtual ValueTask DenyAsync() => throw new NotSupportedException();

    /// <summary>The credentials in use expire; fresh ones are accepted unless <paramref name="forGood" />.</summary>
    public virtual ValueTask ExpireCredentialsAsync(bool forGood) => throw new NotSupportedException();

    /// <summary>The next requests are answered as the service answers who asks too often.</summary>
    public virtual ValueTask ThrottleAsync(int requests) => throw new NotSupportedException();

    /// <summary>The next requests fail on the service's side.</summary>
    public virtual ValueTask FailAsync(int requests) => throw new NotSupportedException();

    /// <summary>The next requests are not answered at all, for longer than any client waits.</summary>
    public virtual ValueTask HangAsync(int requests) => throw new NotSupportedException();

    /// <summary>The connections of the next requests break in the middle of the answer.</summary>
    public virtual ValueTask DropAsync(int requests) => throw new NotSupportedException();

    /// <summary>Nobody listens at the service's address any more.</summary>
    public virtual ValueTask StopAsync() => throw new NotSupportedException();

    /// <summary>Stops everything, and fails the test if the service had to complain about the form of a request.</summary>
    public abstract ValueTask DisposeAsync();
}
