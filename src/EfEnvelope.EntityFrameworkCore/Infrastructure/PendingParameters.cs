using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>The parameters of one command that are to be sealed before it runs: single values, and the arrays of PostgreSQL.</summary>
internal sealed class PendingParameters
{
    private readonly List<DbParameter> _parameters = [];
    private readonly List<PendingEnvelope> _envelopes = [];

    private PendingParameters()
    {
    }

    /// <summary>Gets whether any of them is to be stored, so that its key has to be proved.</summary>
    public bool Writes => _envelopes.Exists(static e => e.Role.Writes());

    /// <summary>Gets all that a key seals; what takes from a budget of nonces says so.</summary>
    public IReadOnlyList<PendingEnvelope> Envelopes => _envelopes;

    public static PendingParameters? Find(DbCommand command)
    {
        PendingParameters? found = null;
        foreach (DbParameter parameter in command.Parameters)
        {
            if (parameter.Value is not (Envelope or IEnumerable<Envelope?>))
                continue;
            found ??= new PendingParameters();
            found.Add(parameter);
        }

        return found;
    }

    public void Seal(RoleKeys keys)
    {
        foreach (var envelope in _envelopes)
            (envelope as OneVersionProbe)?.Require(keys.Ring);
        foreach (var parameter in _parameters)
        {
            parameter.Value = parameter.Value switch
            {
                IEnumerable<TextEnvelope?> texts => texts.Select(t => t?.Seal(keys)).ToArray(),
                IEnumerable<Envelope?> envelopes => envelopes.Select(e => e is null ? null : Seal(e, keys)).ToArray(),
                TextEnvelope text => Fit(parameter, text, text.Seal(keys), s => s.Length),
                var envelope => Fit(parameter, (Envelope)envelope!, Seal((Envelope)envelope!, keys), b => b.Length),
            } ?? DBNull.Value;
        }
    }

    private void Add(DbParameter parameter)
    {
        _parameters.Add(parameter);
        if (parameter.Value is Envelope envelope)
        {
            Add(envelope);
            return;
        }

        foreach (var element in (IEnumerable<Envelope?>)parameter.Value!)
            Add(element);
    }

    private void Add(Envelope? envelope)
    {
        if ((envelope is TextEnvelope text ? text.Pending : envelope) is PendingEnvelope pending)
            _envelopes.Add(pending);
    }

    // What was read is written back as it is.
    private static byte[]? Seal(Envelope envelope, RoleKeys keys)
        => envelope switch
        {
            PendingEnvelope pending => pending.Seal(keys),
            StoredEnvelope stored => stored.ToArray(),
            _ => throw new InvalidOperationException($"'{envelope}' cannot be sealed."),
        };

    // SQL Server's client cuts a value to the size of its parameter without a word.
    private static object? Fit<T>(DbParameter parameter, Envelope envelope, T? sealedValue, Func<T, int> measure)
        where T : class
        => sealedValue is null || parameter.Size <= 0 || measure(sealedValue) <= parameter.Size
            ? sealedValue
            : throw new EnvelopeConfigurationException(EnvelopeMessages.ParameterTooSmall(envelope.FieldName, measure(sealedValue), parameter.Size));
}
