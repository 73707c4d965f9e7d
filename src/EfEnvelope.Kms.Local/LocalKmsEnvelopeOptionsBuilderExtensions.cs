using EfEnvelope;
using EfEnvelope.Kms.Local;
using EfEnvelope.Kms.Local.Keks;
using EfEnvelope.Kms.Local.Storage;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Adds the embedded KMS to envelope encryption.</summary>
public static class LocalKmsEnvelopeOptionsBuilderExtensions
{
    /// <summary>
    /// Wraps data keys by an embedded KMS in one SQLite file, sealed by a passphrase. The file and the KEK are made when the first
    /// data key is wrapped; unwrapping never makes either.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="connectionString">
    /// Such as <c>Data Source=kms.db</c>: a file of its own, best not beside the data. Relative to the current directory.
    /// </param>
    /// <param name="passphrase">The passphrase, from a secret store or the environment. Who loses it loses the data.</param>
    /// <param name="keyName">The KEK, <c>efenvelope</c> by default: its KEK URI is then <c>local:efenvelope</c>.</param>
    /// <param name="credential">
    /// As which principal the KMS is used; <see langword="null" />, the default, as <c>root</c>. With one, the KMS and the KEK must exist: nothing is made.
    /// </param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The connection string, the passphrase or the name is malformed.</exception>
    public static EnvelopeOptionsBuilder UseLocalKms(
        this EnvelopeOptionsBuilder builder,
        string connectionString,
        string passphrase,
        string keyName = "efenvelope",
        LocalKmsCredential? credential = null)
        => builder.UseLocalKms(connectionString, LocalKmsSeal.Passphrase(passphrase), keyName, credential);

    /// <summary>
    /// Wraps data keys by an embedded KMS in one SQLite file, sealed as given. The file and the KEK are made when the first data
    /// key is wrapped; unwrapping never makes either.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="connectionString">
    /// Such as <c>Data Source=kms.db</c>: a file of its own, best not beside the data. Relative to the current directory.
    /// </param>
    /// <param name="seal">What opens the file, such as <c>LocalKmsSeal.KeyFile("kms.key")</c>.</param>
    /// <param name="keyName">The KEK, <c>efenvelope</c> by default: its KEK URI is then <c>local:efenvelope</c>.</param>
    /// <param name="credential">
    /// As which principal the KMS is used; <see langword="null" />, the default, as <c>root</c>. With one, the KMS and the KEK must exist: nothing is made.
    /// </param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The connection string or the name is malformed.</exception>
    public static EnvelopeOptionsBuilder UseLocalKms(
        this EnvelopeOptionsBuilder builder,
        string connectionString,
        LocalKmsSeal seal,
        string keyName = "efenvelope",
        LocalKmsCredential? credential = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return Use(builder, new FilePlace(LocalKmsFile.Parse(connectionString)), seal, keyName, credential);
    }

    /// <summary>
    /// Wraps data keys by an embedded KMS in a database of a server, for several nodes, sealed as given. Its tables and the KEK are made when the first
    /// data key is wrapped; unwrapping never makes either.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="store">
    /// Names the database, such as <c>store => store.UseNpgsql(connectionString)</c>, on PostgreSQL or SQL Server; best not that of the data. Give a
    /// connection string, so that the same store is known again whenever options are built.
    /// </param>
    /// <param name="seal">What opens the KMS, such as <c>LocalKmsSeal.KeyFile("kms.key")</c>.</param>
    /// <param name="keyName">The KEK, <c>efenvelope</c> by default: its KEK URI is then <c>local:efenvelope</c>.</param>
    /// <param name="credential">
    /// As which principal the KMS is used; <see langword="null" />, the default, as <c>root</c>. With one, the KMS and the KEK must exist: nothing is made.
    /// </param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The database is of another provider, or the name is malformed.</exception>
    public static EnvelopeOptionsBuilder UseLocalKms(
        this EnvelopeOptionsBuilder builder,
        Action<DbContextOptionsBuilder> store,
        LocalKmsSeal seal,
        string keyName = "efenvelope",
        LocalKmsCredential? credential = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return Use(builder, new ServerPlace(store), seal, keyName, credential);
    }

    private static EnvelopeOptionsBuilder Use(EnvelopeOptionsBuilder builder, StorePlace place, LocalKmsSeal seal, string keyName, LocalKmsCredential? credential)
    {
        ArgumentNullException.ThrowIfNull(seal);
        KekName.Validate(keyName);
        var identity = new LocalKmsIdentity(place, seal, keyName, credential);
        return builder.UseKms(identity, identity.CreateWrapper);
    }
}
