using System.Security.Cryptography;
using System.Text;
using EfEnvelope.Diagnostics;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Engine;

/// <summary>One row on its way: what was read, what it becomes, and its plaintexts, which are zeroed behind it.</summary>
internal sealed class RowWork(RowPlan plan, object?[] key, object?[] old, KeyRing ring) : IDisposable
{
    private static readonly PlaintextCodec<byte[]> Bytes = PlaintextCodec<byte[]>.Default;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly byte[]?[] _plaintexts = new byte[]?[old.Length];

    public object?[] Key => key;

    public object?[] Old => old;

    public object?[] New { get; } = (object?[])old.Clone();

    public KeyRing Ring => ring;

    public bool IsChanged { get; private set; }

    public void Set(int column, object? value)
    {
        New[column] = value;
        IsChanged = true;
    }

    /// <summary>Tells another column's plaintext, which is stored by the same statement.</summary>
    public void SetPlaintext(int column, byte[] plaintext) => _plaintexts[column] = plaintext;

    /// <summary>Reads the envelope that a column holds, or <see langword="null" /> for null or for a plaintext in a text column.</summary>
    /// <exception cref="RowRefusedException">It holds something else.</exception>
    public byte[]? FindEnvelope(int column)
        => (plan.Columns[column].Form, old[column]) switch
        {
            (_, null) => null,
            (StoredForm.Binary, byte[] bytes) => bytes,
            (StoredForm.Text, string text) => !text.StartsWith(TextEnvelope.Prefix, StringComparison.Ordinal) ? null
                : TextEnvelope.TryDecode(text) ?? throw new RowRefusedException(column, Messages.NotAnEnvelope(plan.NameOf(column))),
            _ => throw new RowRefusedException(column, Messages.NotAnEnvelope(plan.NameOf(column))),
        };

    public EnvelopeHeader ReadHeader(int column, byte[] envelope)
        => EnvelopeHeader.TryRead(envelope, out var header) && HeaderText.IsKnown(header)
            ? header
            : throw new RowRefusedException(column, Messages.NotAnEnvelope(plan.NameOf(column)));

    /// <summary>Gets the plaintext of a column of values, or <see langword="null" /> for null.</summary>
    /// <exception cref="RowRefusedException">It does not open, or is not of its type.</exception>
    /// <exception cref="KeyUnavailableException">Its key cannot be had right now.</exception>
    public byte[]? Open(int column)
    {
        if (old[column] is null && _plaintexts[column] is null)
            return null;
        return _plaintexts[column] ??= plan.Columns[column].Form == StoredForm.Plain ? ParsePlain(column)
            : FindEnvelope(column) is { } envelope ? Decrypt(column, envelope)
            : plan.Values[column] is { AllowsPlaintext: true } ? Utf8.GetBytes((string)old[column]!)
            : throw new RowRefusedException(column, Messages.NotAnEnvelope(plan.NameOf(column)));
    }

    /// <summary>Tells whether a column holds a plaintext; what does not open is another one.</summary>
    /// <exception cref="KeyUnavailableException">Its key cannot be had right now.</exception>
    public bool OpensTo(int column, byte[] plaintext)
    {
        try
        {
            return CryptographicOperations.FixedTimeEquals(Open(column), plaintext);
        }
        catch (RowRefusedException)
        {
            return false;
        }
    }

    /// <summary>Encrypts, opens what that gave, and compares.</summary>
    public object Seal(int column, byte[] plaintext, FieldContext field, EnvelopeAlgorithm algorithm, DataKey key)
    {
        var envelope = EnvelopeCodec.Encrypt(key, field, algorithm, plaintext, Bytes);
        if (!EnvelopeCodec.OpensTo(new EnvelopeHeader(algorithm, key.Number), key, field, envelope, plaintext))
            throw new EnvelopeDecryptionException(RotationMessages.SealedWrong(plan.NameOf(column), key.Version));
        return plan.Columns[column].Form == StoredForm.Text ? TextEnvelope.Encode(envelope) : envelope;
    }

    public void Dispose()
    {
        foreach (var plaintext in _plaintexts)
            CryptographicOperations.ZeroMemory(plaintext);
    }

    private byte[] Decrypt(int column, byte[] envelope)
    {
        var header = ReadHeader(column, envelope);
        var field = plan.Values[column]!.Field;
        if (!FieldCipher.Knows(header.Algorithm))
            throw new RowRefusedException(column, Messages.NotAnEnvelope(plan.NameOf(column)));
        if (ring.Find(header.KeyNumber) is not { } key)
            throw new RowRefusedException(column, Messages.UnknownKeyVersion(field.Name, ring.Scope.Name, header.KeyNumber));
        if (key.Stored.Status != KeyVersionStatus.Enabled)
            throw new RowRefusedException(column, key.Stored.Status == KeyVersionStatus.Disabled ? Messages.KeyVersionDisabled(key.Stored.Version) : Messages.KeyVersionDestroyed(key.Stored.Version));
        try
        {
            return EnvelopeCodec.Decrypt(header, KeyRing.RequireKey(key), field, envelope, Bytes);
        }
        catch (EnvelopeDecryptionException e)
        {
            throw new RowRefusedException(column, e.Message);
        }
    }

    private byte[] ParsePlain(int column)
    {
        try
        {
            return plan.Dialect.ParsePlain(plan.Columns[column].PlaintextType, old[column]!);
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
        {
            throw new RowRefusedException(column, RotationMessages.PlaintextOfOtherType(plan.NameOf(column), plan.Columns[column].PlaintextType));
        }
    }
}

/// <summary>A row that cannot be converted, and is left as it is.</summary>
internal sealed class RowRefusedException(int column, string reason) : Exception(reason)
{
    public int Column => column;
}
