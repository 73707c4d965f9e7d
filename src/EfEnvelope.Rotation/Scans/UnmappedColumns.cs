using System.Data.Common;
using System.Globalization;
using EfEnvelope.Envelopes;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Looks for columns that hold envelopes and that the encryption map does not have, by a sample of their first values.</summary>
internal static class UnmappedColumns
{
    private const int SampleSize = 100;

    // Bytes of other origin begin like an envelope now and then; that they also have a small key number and a fitting length, hardly ever.
    private const uint MaxKeyNumber = 0xFFFF;
    private const int MinIndexLength = EnvelopeHeader.Length + 8;
    private const int MaxIndexLength = EnvelopeHeader.Length + 32;

    public static async Task<IReadOnlyList<Diagnosis>> FindAsync(Session session, EncryptionMap map, CancellationToken cancellationToken)
    {
        var found = new List<Diagnosis>();
        foreach (var (schema, name) in await session.Dialect.ListTablesAsync(session, cancellationToken).ConfigureAwait(false))
        {
            if (await session.Dialect.FindTableAsync(session, schema, name, cancellationToken).ConfigureAwait(false) is not { } table)
                continue;
            foreach (var column in table.Columns.Where(c => (c.IsBinary || c.IsText) && !IsMapped(map, table, c)))
            {
                try
                {
                    if (await HoldsEnvelopesAsync(session, table, column, cancellationToken).ConfigureAwait(false))
                        found.Add(DoctorMessages.ColumnNotInMap($"{table.DisplayName}.{column.Name}"));
                }
                catch (DbException e) when (session.Dialect.IsDenied(e))
                {
                    // Of another application, and this user may not read it.
                    continue;
                }
                catch (DbException e) when (!session.Dialect.IsTransient(e))
                {
                    found.Add(DoctorMessages.TableNotRead(table.DisplayName, session.Dialect.CodeOf(e)));
                    break;
                }
            }
        }

        return found;
    }

    // A schema that is the default one may be named or not.
    public static bool IsMapped(EncryptionMap map, TableInfo table, TableColumn column)
        => map.Columns.Any(c => c.Table == table.Name && c.Column == column.Name && (c.Schema == table.Schema || c.Schema.Length == 0 || table.Schema.Length == 0));

    private static async Task<bool> HoldsEnvelopesAsync(Session session, TableInfo table, TableColumn column, CancellationToken cancellationToken)
    {
        var (dialect, form) = (session.Dialect, column.IsBinary ? StoredForm.Binary : StoredForm.Text);
        var name = $"t.{dialect.Quote(column.Name)}";
        var query = $"SELECT {dialect.Header(name, form)}, {dialect.LengthOf(name, form)} FROM {dialect.Table(table)} AS t WHERE {name} IS NOT NULL";
        var rows = await session.QueryAsync(dialect.Sample(query, SampleSize), [], cancellationToken).ConfigureAwait(false);
        return rows.Count > 0 && rows.TrueForAll(r => IsEnvelope(r[0], Convert.ToInt64(r[1], CultureInfo.InvariantCulture), form));
    }

    private static bool IsEnvelope(object? selected, long length, StoredForm form)
        => HeaderText.TryRead(selected, out var header) && header.KeyNumber is > 0 and <= MaxKeyNumber
            && (form == StoredForm.Text
                || (header.Algorithm == EnvelopeAlgorithm.BlindIndex ? length is >= MinIndexLength and <= MaxIndexLength : length >= FieldCipher.OverheadOf(header.Algorithm)));
}
