using System.Data.Common;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;

namespace EfEnvelope.EntityFrameworkCore.Infrastructure;

/// <summary>The parameters of one command that are to be sealed before it runs: single values, and the arrays of PostgreSQL.</summary>
internal readonly struct PendingParameters
{
    private readonly List<DbParameter> _parameters;

    private PendingParameters(List<DbParameter> parameters) => _parameters = parameters;

    /// <summary>Gets whether any of them is to be stored, so that its key has to be proved.</summary>
    public bool Writes => Envelopes.Any(e => e.Role.Writes());

    /// <summary>Gets the column of every value that takes from a budget of nonces.</summary>
    public IEnumerable<FieldContext> BudgetFields => Envelopes.Select(e => e.BudgetField).OfType<FieldContext>();

    private IEnumerable<PendingEnvelope> Envelopes => _parameters.SelectMany(p => Unpack(p.Value)).OfType<PendingEnvelope>();

    public static PendingParameters? Find(DbCommand command)
    {
        List<DbParameter>? found = null;
        foreach (DbParameter parameter in command.Parameters)
        {
            if (parameter.Value is Envelope or IEnumerable<Envelope?>)
                (found ??= []).Add(parameter);
        }

        return found is null ? null : new PendingParameters(found);
    }

    public void Seal(KeyRing ring)
    {
        foreach (var probe in Envelopes.OfType<OneVersionProbe>())
            probe.Require(ring);
        foreach (var parameter in _parameters)
        {
            parameter.Value = parameter.Value switch
            {
                IEnumerable<TextEnvelope?> texts => texts.Select(t => t?.Seal(ring)).ToArray(),
                IEnumerable<Envelope?> envelopes => envelopes.Select(e => e is null ? null : Seal(e, ring)).ToArray(),
                TextEnvelope text => Fit(parameter, text, text.Seal(ring), s => s.Length),
                var envelope => Fit(parameter, (Envelope)envelope!, Seal((Envelope)envelope!, ring), b => b.Length),
            };
        }
    }

    private static IEnumerable<Envelope?> Unpack(object? value)
        => value switch
        {
            IEnumerable<Envelope?> many => many.SelectMany(Unpack),
            TextEnvelope text => [text.Pending],
            Envelope envelope => [envelope],
            _ => [],
        };

    // What was read is written back as it is.
    private static byte[] Seal(Envelope envelope, KeyRing ring)
        => envelope switch
        {
            PendingEnvelope pending => pending.Seal(ring),
            StoredEnvelope stored => stored.ToArray(),
            _ => throw new InvalidOperationException($"'{envelope}' cannot be sealed."),
        };

    // SQL Server's client cuts a value to the size of its parameter without a word.
    private static T Fit<T>(DbParameter parameter, Envelope envelope, T sealedValue, Func<T, int> measure)
        => parameter.Size <= 0 || measure(sealedValue) <= parameter.Size
            ? sealedValue
            : throw new EnvelopeConfigurationException(EnvelopeMessages.ParameterTooSmall(envelope.FieldName, measure(sealedValue), parameter.Size));
}
