using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation;

/// <summary>Looks at what is stored. Nothing here writes.</summary>
public sealed class EnvelopeScans
{
    private readonly DatabaseSource _source;
    private readonly KeyAdministration _keys;

    internal EnvelopeScans(DatabaseSource source, KeyAdministration keys) => (_source, _keys) = (source, keys);

    /// <summary>Counts values by key version, in every column of the encryption map, by the headers, in SQL. Reads every row; needs no key.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>One entry for each column.</returns>
    public Task<IReadOnlyList<ColumnStatus>> GetStatusAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Opens every value and computes every blind index anew.</summary>
    /// <param name="scope">The key scope, or <see langword="null" /> for the only one.</param>
    /// <param name="table">A table, with its schema if it has one, or <see langword="null" /> for all.</param>
    /// <param name="progress">Is told how many rows were read.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was found.</returns>
    public Task<VerifyReport> VerifyAsync(
        string? scope = null, string? table = null, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
        => throw new NotImplementedException();

    /// <summary>Looks for what is wrong or will become so: columns, indexes, rows outside the format, keys and budgets.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What was found, the gravest first; empty when all is well.</returns>
    public Task<IReadOnlyList<Diagnosis>> DiagnoseAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Explains one envelope without any key.</summary>
    /// <param name="value">The stored value: <c>efenvelope:v1:…</c>, hexadecimal (with or without <c>0x</c> or <c>\x</c>), or Base64.</param>
    /// <returns>What can be read off it.</returns>
    public static EnvelopeDescription Inspect(string value) => throw new NotImplementedException();
}
