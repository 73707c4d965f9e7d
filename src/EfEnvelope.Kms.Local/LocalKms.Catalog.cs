using EfEnvelope.Kms.Local.Keks;
using EfEnvelope.Kms.Local.Operations;
using EfEnvelope.Kms.Local.Sealing;
using EfEnvelope.Kms.Local.Storage;

namespace EfEnvelope.Kms.Local;

// Which keys there are, and what they are called.
public sealed partial class LocalKms
{
    /// <summary>Lists all keys in the order of their names, except those that were deleted.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The keys with their versions.</returns>
    public Task<IReadOnlyList<LocalKmsKey>> ListKeysAsync(CancellationToken cancellationToken = default)
        => _gate.ReadAsync(
            Call(LocalKmsOperation.ListKeys), (db, root, _, token) => _keys.Catalog.ListAllAsync(db, root, token), cancellationToken);

    /// <summary>Lists keys page by page in the order of their names, except those that were deleted.</summary>
    /// <param name="limit">How many at most, 1 to 1,000.</param>
    /// <param name="continuationToken">What the former page returned; <see langword="null" /> for the first page.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>A page. Keys that are made meanwhile are in a later page, or in none.</returns>
    public Task<LocalKmsKeyPage> ListKeysAsync(int limit, string? continuationToken, CancellationToken cancellationToken = default)
    {
        if (limit is < 1 or > 1000)
            throw new ArgumentOutOfRangeException(nameof(limit), limit, LocalKmsMessages.PageLimit());
        return _gate.ReadAsync(
            Call(LocalKmsOperation.ListKeys),
            (db, root, _, token) => _keys.Catalog.ListAsync(db, root, limit, continuationToken, token),
            cancellationToken);
    }

    /// <summary>Describes a key.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key with its versions, aliases and tags.</returns>
    public Task<LocalKmsKey> DescribeKeyAsync(string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _gate.ReadAsync(
            Call(LocalKmsOperation.DescribeKey, name),
            (db, root, subject, token) => _keys.Catalog.DescribeAsync(db, root, _keys.Guard.Get(subject, name), token),
            cancellationToken);
    }

    /// <summary>Sets a tag of a key.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="tag">The name of the tag, 1 to 128 characters; not secret.</param>
    /// <param name="value">The value, up to 256 characters; not secret.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    public Task<LocalKmsKey> TagKeyAsync(string name, string tag, string value, CancellationToken cancellationToken = default)
    {
        CheckTag(tag, value);
        return LabelAsync(name, (db, subject, token) => _keys.Catalog.SetTagAsync(db, subject, name, tag, value, token), cancellationToken);
    }

    /// <summary>Removes a tag of a key. No change if there is none of that name.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="tag">The name of the tag.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    public Task<LocalKmsKey> UntagKeyAsync(string name, string tag, CancellationToken cancellationToken = default)
    {
        CheckTag(tag, "");
        return LabelAsync(name, (db, subject, token) => _keys.Catalog.SetTagAsync(db, subject, name, tag, null, token), cancellationToken);
    }

    /// <summary>Says what a key is for.</summary>
    /// <param name="name">The key, or its alias.</param>
    /// <param name="description">Up to 1,000 characters; not secret.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    public Task<LocalKmsKey> SetKeyDescriptionAsync(string name, string description, CancellationToken cancellationToken = default)
    {
        if (description is null or { Length: > 1000 } || !StoreText.IsPlain(description))
            throw new ArgumentException(LocalKmsMessages.MalformedTag(), nameof(description));
        return LabelAsync(name, (_, subject, _) => Task.FromResult(_keys.Catalog.SetDescription(subject, name, description)), cancellationToken);
    }

    /// <summary>Points an alias to a key. An alias that points to another one is moved; it can be used wherever the name of a key can.</summary>
    /// <param name="alias"><c>alias/</c> and a name after it.</param>
    /// <param name="name">The key, or another alias of it.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The key as it is now.</returns>
    /// <remarks>What was wrapped or encrypted behind the alias before it moved still opens: the key that did so is named in it.</remarks>
    public Task<LocalKmsKey> SetAliasAsync(string alias, string name, CancellationToken cancellationToken = default)
    {
        KekName.ValidateAlias(alias);
        ArgumentNullException.ThrowIfNull(name);
        var call = Call(LocalKmsOperation.SetAlias, name);
        return _gate.WriteAsync(
            call,
            async (db, root, subject, token) =>
            {
                var key = await _keys.Catalog.SetAliasAsync(
                    db, root, subject, alias, name, former => CheckAlsoAsync(db, root, call, subject, former, token), token).ConfigureAwait(false);
                return await _keys.Catalog.DescribeAsync(db, root, key, token).ConfigureAwait(false);
            },
            cancellationToken);
    }

    /// <summary>Removes an alias. Its key stays.</summary>
    /// <param name="alias"><c>alias/</c> and a name after it.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Whether there was one.</returns>
    public Task<bool> RemoveAliasAsync(string alias, CancellationToken cancellationToken = default)
    {
        KekName.ValidateAlias(alias);
        return _gate.WriteAsync(
            Call(LocalKmsOperation.SetAlias, alias),
            (db, root, subject, token) => _keys.Catalog.RemoveAliasAsync(db, root, subject, alias, token),
            cancellationToken);
    }

    private static void CheckTag(string tag, string value)
    {
        if (tag is null or { Length: 0 or > 128 } || value is null or { Length: > 256 } || !StoreText.IsPlain(tag) || !StoreText.IsPlain(value))
            throw new ArgumentException(LocalKmsMessages.MalformedTag(), nameof(tag));
    }

    // The key that loses the alias is asked for too: else who may name his own key would have others use it in place of theirs.
    private Task CheckAlsoAsync(KmsSession db, RootKey root, KmsCall call, KmsSubject subject, KeyRow former, CancellationToken cancellationToken)
    {
        var other = new KmsSubject();
        other.Is(former);
        return RequireAllowedAsync(db, root, call, subject, other, cancellationToken);
    }

    // An operation that does the work of another one is allowed only to who may do that one, too.
    private Task CheckAlsoAsync(
        KmsSession db, RootKey root, KmsCall call, KmsSubject subject, LocalKmsOperation? operation, CancellationToken cancellationToken)
        => operation is { } also ? RequireAllowedAsync(db, root, call with { Operation = also }, subject, subject, cancellationToken) : Task.CompletedTask;

    private async Task RequireAllowedAsync(
        KmsSession db, RootKey root, KmsCall call, KmsSubject subject, KmsSubject other, CancellationToken cancellationToken)
    {
        var decision = await _access.AuthorizeAsync(db, root, call, other, cancellationToken).ConfigureAwait(false);
        if (decision.Refusal is not { } refusal)
            return;
        subject.Refused = decision;
        throw refusal;
    }

    private Task<LocalKmsKey> LabelAsync(
        string name, Func<KmsSession, KmsSubject, CancellationToken, Task<KeyRow>> change, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _gate.WriteAsync(
            Call(LocalKmsOperation.TagKey, name),
            async (db, root, subject, token) => await _keys.Catalog.DescribeAsync(
                db, root, await change(db, subject, token).ConfigureAwait(false), token).ConfigureAwait(false),
            cancellationToken);
    }
}
