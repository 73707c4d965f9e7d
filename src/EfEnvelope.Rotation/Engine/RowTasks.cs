using System.Security.Cryptography;
using EfEnvelope.BlindIndexes;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>One thing that is done to a row. What is as it should be is told by its header, and left alone.</summary>
internal abstract class RowTask
{
    /// <summary>Gets the column whose budget of nonces it takes from, if it does.</summary>
    public virtual (FieldContext Field, KeyRole Role)? Budget => null;

    /// <summary>Gets the column that it writes.</summary>
    public abstract int? Writes { get; }

    /// <summary>Gets whether it writes plaintext, which a column may hold in another form, or not as it is.</summary>
    public virtual bool WritesPlaintext => false;

    /// <summary>Gets the roles whose versions it writes under.</summary>
    public virtual IEnumerable<KeyRole> Roles => [];

    /// <summary>Makes the condition that a row may need it, or <see langword="null" /> when that cannot be told in SQL.</summary>
    public abstract string? Filter(RowPlan plan, Dialect dialect, JobKeys keys);

    public abstract void Apply(RowPlan plan, RowWork row, JobKeys keys);

    protected static string NotUnder(RowPlan plan, Dialect dialect, int column, IEnumerable<EnvelopeHeader> fine)
    {
        var name = plan.Quoted(dialect, column);
        return $"({name} IS NOT NULL AND NOT ({dialect.HasHeader(name, plan.Columns[column].Form, fine)}))";
    }
}

/// <summary>Seals a column anew in place, under the version of its role.</summary>
internal sealed class ResealTask(int column, FieldContext binding, EnvelopeAlgorithm algorithm, KeyRole role, bool leavesPlaintext) : RowTask
{
    public override int? Writes => column;

    public override (FieldContext Field, KeyRole Role)? Budget => algorithm == EnvelopeAlgorithm.Aes256Gcm ? (binding, role) : null;

    public override IEnumerable<KeyRole> Roles => [role];

    public override string? Filter(RowPlan plan, Dialect dialect, JobKeys keys)
    {
        var needed = NotUnder(plan, dialect, column, keys.Fine(role, algorithm));
        return leavesPlaintext ? $"({needed} AND {dialect.LooksLikeText(plan.Quoted(dialect, column))})" : needed;
    }

    public override void Apply(RowPlan plan, RowWork row, JobKeys keys)
    {
        if (row.Old[column] is null || keys.Find(role) is not { } key)
            return;
        if (row.FindEnvelope(column) is { } envelope)
        {
            var header = row.ReadHeader(column, envelope);
            if (header.Algorithm == algorithm && header.KeyNumber >= key.Number && row.Ring.Find(header.KeyNumber) is not null)
                return;
        }
        else if (leavesPlaintext)
        {
            return;
        }

        row.Set(column, row.Seal(column, row.Open(column)!, binding, algorithm, key));
    }
}

/// <summary>Seals a column's plaintext in place, in a text column.</summary>
internal sealed class BackfillTask(int column, FieldContext binding, EnvelopeAlgorithm algorithm, KeyRole role) : RowTask
{
    public override int? Writes => column;

    public override (FieldContext Field, KeyRole Role)? Budget => algorithm == EnvelopeAlgorithm.Aes256Gcm ? (binding, role) : null;

    public override IEnumerable<KeyRole> Roles => [role];

    public override string? Filter(RowPlan plan, Dialect dialect, JobKeys keys)
    {
        // A plaintext may start like an envelope; what has the header of a version that is known is taken for one.
        return NotUnder(plan, dialect, column, keys.Known([EnvelopeAlgorithm.Aes256Gcm, EnvelopeAlgorithm.Aes256Siv]));
    }

    public override void Apply(RowPlan plan, RowWork row, JobKeys keys)
    {
        if (row.Old[column] is null)
            return;
        if (row.FindEnvelope(column) is { } envelope)
        {
            if (row.Ring.Find(row.ReadHeader(column, envelope).KeyNumber) is null)
                throw new RowRefusedException(column, RotationMessages.PlaintextLikeEnvelope(plan.NameOf(column)));
            return;
        }

        row.Set(column, row.Seal(column, row.Open(column)!, binding, algorithm, keys.Find(role)!));
    }
}

/// <summary>Turns the envelopes of a text column back into plaintext, in place.</summary>
internal sealed class DecryptTask(int column) : RowTask
{
    public override int? Writes => column;

    public override bool WritesPlaintext => true;

    public override string? Filter(RowPlan plan, Dialect dialect, JobKeys keys) => dialect.LooksLikeText(plan.Quoted(dialect, column));

    public override void Apply(RowPlan plan, RowWork row, JobKeys keys)
    {
        if (row.FindEnvelope(column) is null)
            return;
        var text = PlainText.Format("string", row.Open(column)!);
        if (text.StartsWith(TextEnvelope.Prefix, StringComparison.Ordinal))
            throw new RowRefusedException(column, RotationMessages.PlaintextLooksEncrypted(plan.NameOf(column)));
        row.Set(column, text);
    }
}

/// <summary>
/// Writes a column's values into another column, which holds another form of them. Only what is missing there is written: a value that is there already is
/// the application's, and one that differs is reported.
/// </summary>
internal sealed class CopyTask(int source, int target, FieldContext? binding, EnvelopeAlgorithm algorithm, KeyRole role) : RowTask
{
    public override int? Writes => target;

    public override bool WritesPlaintext => binding is null;

    public override (FieldContext Field, KeyRole Role)? Budget => binding is not null && algorithm == EnvelopeAlgorithm.Aes256Gcm ? (binding, role) : null;

    public override IEnumerable<KeyRole> Roles => binding is null ? [] : [role];

    public override string? Filter(RowPlan plan, Dialect dialect, JobKeys keys) => $"{plan.Quoted(dialect, source)} IS NOT NULL";

    public override void Apply(RowPlan plan, RowWork row, JobKeys keys)
    {
        if (row.Old[source] is null)
            return;
        var plaintext = row.Open(source)!;
        if (row.Old[target] is not null)
        {
            if (!plan.Dialect.IsSamePlain(plan.Columns[target].PlaintextType, plaintext, row.Open(target)!))
                throw new RowRefusedException(target, RotationMessages.CopyDiffers(plan.NameOf(target), plan.NameOf(source)));
            return;
        }

        if (binding is not null)
        {
            row.Set(target, row.Seal(target, plaintext, binding, algorithm, keys.Find(role)!));
            row.SetPlaintext(target, [.. plaintext]);
            return;
        }

        row.Set(target, plan.Dialect.FormatPlain(plan.Columns[target].PlaintextType, plaintext));
    }
}

/// <summary>Computes a blind index that is missing, that does not belong to the row's values, or that is under another version than that of its role.</summary>
/// <param name="column">The blind index.</param>
/// <param name="sources">The columns that it is computed from.</param>
/// <param name="context">How it is computed.</param>
/// <param name="role">Under which version.</param>
/// <param name="looksAtAll">Whether every row is looked at: no header tells that a writer which does not know the index changed the value alone.</param>
internal sealed class IndexTask(int column, IReadOnlyList<int> sources, BlindIndexContext context, KeyRole role, bool looksAtAll = false) : RowTask
{
    public override int? Writes => column;

    public override IEnumerable<KeyRole> Roles => [role];

    public override string? Filter(RowPlan plan, Dialect dialect, JobKeys keys)
    {
        var name = plan.Quoted(dialect, column);
        if (keys.Find(role) is null)
            return $"{name} IS NOT NULL";
        var complete = string.Join(" AND ", sources.Select(s => $"{plan.Quoted(dialect, s)} IS NOT NULL"));
        if (looksAtAll)
            return $"({complete}) OR {name} IS NOT NULL";
        var fine = dialect.HasHeader(name, StoredForm.Binary, keys.Fine(role, EnvelopeAlgorithm.BlindIndex));
        return $"(({complete}) AND ({name} IS NULL OR NOT ({fine}))) OR (NOT ({complete}) AND {name} IS NOT NULL)";
    }

    public override void Apply(RowPlan plan, RowWork row, JobKeys keys)
    {
        var key = keys.Find(role);
        if (key is null || sources.Any(s => row.New[s] is null))
        {
            // A row of another scope, whose versions are others, does not open, and so keeps what that one still needs.
            if (row.Old[column] is null)
                return;
            foreach (var source in sources)
                row.Open(source);
            row.Set(column, null);
            return;
        }

        if (row.Old[column] is not byte[] stored || !IsRight(row, stored, key))
            row.Set(column, Compute(row, key));
    }

    // Of the right length, under a version that queries look under and no older one than that of its role, and of the values that the row has.
    private bool IsRight(RowWork row, byte[] stored, DataKey key)
        => stored.Length == context.StoredLength && EnvelopeHeader.TryRead(stored, out var header)
            && header.Algorithm == EnvelopeAlgorithm.BlindIndex && header.KeyNumber >= key.Number
            && row.Ring.Find(header.KeyNumber) is { Stored.Status: KeyVersionStatus.Enabled } version && KeyRing.IsSearched(version.Stored)
            && CryptographicOperations.FixedTimeEquals(Compute(row, KeyRing.RequireKey(version)), stored);

    public byte[] Compute(RowWork row, DataKey key)
    {
        var parts = new byte[sources.Count][];
        byte[]? input = null;
        try
        {
            for (var i = 0; i < parts.Length; i++)
                parts[i] = IndexInputs.Get(context.Parts[i], row.Open(sources[i])!);
            return context.Compute(key, input = BlindIndexInput.Join(parts));
        }
        finally
        {
            foreach (var part in parts)
                CryptographicOperations.ZeroMemory(part);
            CryptographicOperations.ZeroMemory(input);
        }
    }
}

/// <summary>Fills the second column of a deterministic value under a unique index, or empties it when one version is left.</summary>
/// <param name="column">The second column.</param>
/// <param name="source">The column whose values it repeats.</param>
/// <param name="binding">What its values are bound to.</param>
/// <param name="looksAtAll">Whether every row is looked at: no header tells that a writer which does not know the second column changed the first alone.</param>
internal sealed class NextTask(int column, int source, FieldContext binding, bool looksAtAll = false) : RowTask
{
    public override int? Writes => column;

    public override IEnumerable<KeyRole> Roles => [KeyRole.UniqueNext];

    public override string? Filter(RowPlan plan, Dialect dialect, JobKeys keys)
    {
        var (name, from) = (plan.Quoted(dialect, column), plan.Quoted(dialect, source));
        if (keys.Find(KeyRole.UniqueNext) is null)
            return $"{name} IS NOT NULL";
        if (looksAtAll)
            return $"{from} IS NOT NULL OR {name} IS NOT NULL";
        var fine = dialect.HasHeader(name, plan.Columns[column].Form, keys.Fine(KeyRole.UniqueNext, EnvelopeAlgorithm.Aes256Siv));
        return $"({from} IS NOT NULL AND ({name} IS NULL OR NOT ({fine}))) OR ({from} IS NULL AND {name} IS NOT NULL)";
    }

    public override void Apply(RowPlan plan, RowWork row, JobKeys keys)
    {
        var key = keys.Find(KeyRole.UniqueNext);
        if (key is null || row.New[source] is null)
        {
            // A row of another scope, whose versions are others, does not open, and so keeps what that one still needs.
            if (row.Old[column] is null)
                return;
            row.Open(source);
            row.Set(column, null);
            return;
        }

        if (row.FindEnvelope(column) is { } stored && row.ReadHeader(column, stored) is { Algorithm: EnvelopeAlgorithm.Aes256Siv } header && header.KeyNumber >= key.Number
            && row.OpensTo(column, row.Open(source)!))
            return;
        row.Set(column, row.Seal(column, row.Open(source)!, binding, EnvelopeAlgorithm.Aes256Siv, key));
    }
}
