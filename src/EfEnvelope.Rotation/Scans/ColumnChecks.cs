using System.Globalization;
using EfEnvelope.EntityFrameworkCore;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.Envelopes;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Looks for what is wrong with the columns of one table of the encryption map.</summary>
internal sealed class ColumnChecks(Session session, TableInfo table, IReadOnlyList<MapColumn> map)
{
    // FORMAT.md: types whose values have one length.
    private static readonly Dictionary<string, int> FixedLengths = new()
    {
        ["bool"] = 1, ["int8"] = 1, ["uint8"] = 1, ["int16"] = 2, ["uint16"] = 2, ["char"] = 2, ["int32"] = 4, ["uint32"] = 4, ["float32"] = 4, ["date"] = 4, ["int64"] = 8,
        ["uint64"] = 8, ["float64"] = 8, ["datetime"] = 8, ["time"] = 8, ["timespan"] = 8, ["datetimeoffset"] = 10, ["decimal"] = 16, ["guid"] = 16,
    };

    private readonly Dialect _dialect = session.Dialect;
    private readonly List<Diagnosis> _found = [];
    private readonly List<ColumnStatus> _statuses = [];

    /// <summary>Gets what was found.</summary>
    public IReadOnlyList<Diagnosis> Found => _found;

    /// <summary>Gets what the columns hold that could be counted.</summary>
    public IReadOnlyList<ColumnStatus> Statuses => _statuses;

    public async Task RunAsync(bool isSearchRotating, CancellationToken cancellationToken)
    {
        if (table.Key.Count == 0)
            _found.Add(DoctorMessages.NoPrimaryKey(table.DisplayName));
        if (await _dialect.HidesRowsAsync(session, table, cancellationToken).ConfigureAwait(false))
        {
            _found.Add(DoctorMessages.RowSecurity(table.DisplayName));
            return;
        }

        var checks = await _dialect.ListChecksAsync(session, table, cancellationToken).ConfigureAwait(false);
        var readers = await _dialect.ListReadersAsync(session, table, cancellationToken).ConfigureAwait(false);
        foreach (var column in map)
        {
            if (table.Find(column.Column) is not { } stored)
                _found.Add(DoctorMessages.ColumnMissing(column));
            else if (column.IsText ? !stored.IsText : !stored.IsBinary)
                _found.Add(DoctorMessages.ColumnWrongType(column, stored.StoreType));
            else
            {
                await CheckAsync(column, stored, isSearchRotating, cancellationToken).ConfigureAwait(false);
                FindCheck(column, checks);
                _found.AddRange(readers.Where(r => new SqlText(r.Sql, _dialect.Provider).Uses(column.Column)).Select(r => DoctorMessages.SqlOverCiphertext(column, r)));
            }
        }
    }

    private void FindCheck(MapColumn column, List<TableSql> checks)
    {
        if (column.Kind != MapColumnKind.Value || column.AllowsPlaintext || column.IsUnchecked)
            return;
        var own = checks.Where(c => _dialect.IsEnvelopeCheck(c, column.Column, column.IsText)).ToList();
        if (own.Count == 0)
            _found.Add(DoctorMessages.CheckMissing(column));
        else if (!own.Any(c => c.IsProved))
            _found.Add(DoctorMessages.CheckNotProved(column, own[0].Name));
    }

    private async Task CheckAsync(MapColumn column, TableColumn stored, bool isSearchRotating, CancellationToken cancellationToken)
    {
        var status = await HeaderScan.CountAllAsync(session, column, cancellationToken).ConfigureAwait(false);
        _statuses.Add(status);
        if (status.Foreign > 0)
        {
            if (!column.AllowsPlaintext)
                _found.Add(DoctorMessages.ForeignRows(column, status.Foreign));
            else if (column.EndedBy is null)
                _found.Add(DoctorMessages.PlaintextRows(column, status.Foreign));
        }

        if (column.EndedBy is { } job)
            _found.Add(DoctorMessages.PlaintextStillAllowed(column, job));
        if (column.NextOf is not null && !isSearchRotating && status.ByKeyNumber.Count > 0)
            _found.Add(DoctorMessages.NextLeftover(column, status.ByKeyNumber.Values.Sum()));
        if (column is { IsCompared: true, NextOf: null } && !stored.IsIndexed && (column.Kind == MapColumnKind.BlindIndex || !stored.IsUnique))
            _found.Add(DoctorMessages.IndexNotIndexed(column));
        if (stored.MaxLength is { } length)
            await CheckLengthAsync(column, length, cancellationToken).ConfigureAwait(false);
        if (column is { Kind: MapColumnKind.BlindIndex, NextOf: null })
            await CheckMissingAsync(column, cancellationToken).ConfigureAwait(false);
    }

    private async Task CheckLengthAsync(MapColumn column, int has, CancellationToken cancellationToken)
    {
        if (FindNeeded(column) is { } needs)
        {
            if (needs > has)
                _found.Add(DoctorMessages.ColumnTooNarrow(column, has, needs));
            return;
        }

        var name = $"t.{_dialect.Quote(column.Column)}";
        var form = column.IsText ? StoredForm.Text : StoredForm.Binary;
        if (await FindLongestAsync(name, form, column.IsText ? $" WHERE {_dialect.LooksLikeText(name)}" : "", cancellationToken).ConfigureAwait(false) is var longest && longest > has * 9L / 10)
            _found.Add(DoctorMessages.ColumnNearlyFull(column, has, longest));

        // A plaintext has at least a byte for each character.
        if (!column.AllowsPlaintext || await FindLongestAsync(name, form, $" WHERE NOT {_dialect.LooksLikeText(name)}", cancellationToken).ConfigureAwait(false) is not (> 0 and var plain))
            return;
        if (TextEnvelope.LengthOf((int)Math.Min(plain, int.MaxValue / 2) + OverheadOf(column)) is var sealedLength && sealedLength > has)
            _found.Add(DoctorMessages.ColumnTooNarrow(column, has, sealedLength));
    }

    private async Task<long> FindLongestAsync(string name, StoredForm form, string where, CancellationToken cancellationToken)
        => Convert.ToInt64(
            await session.ScalarAsync($"SELECT MAX({_dialect.LengthOf(name, form)}) FROM {_dialect.Table(table)} AS t{where}", [], cancellationToken).ConfigureAwait(false)
                ?? 0L,
            CultureInfo.InvariantCulture);

    private async Task CheckMissingAsync(MapColumn index, CancellationToken cancellationToken)
    {
        if (index.Sources.Any(s => !map.Any(c => c.Column == s && c.Kind == MapColumnKind.Value)))
        {
            _found.Add(DoctorMessages.IndexSourceMissing(index));
            return;
        }

        if (index.Sources.Any(s => table.Find(s) is null))
            return;
        var complete = string.Join(" AND ", index.Sources.Select(s => $"t.{_dialect.Quote(s)} IS NOT NULL"));
        var missing = Convert.ToInt64(
            await session.ScalarAsync(
                $"SELECT {_dialect.Count()} FROM {_dialect.Table(table)} AS t WHERE {complete} AND t.{_dialect.Quote(index.Column)} IS "
                    + $"NULL", [], cancellationToken).ConfigureAwait(false),
            CultureInfo.InvariantCulture);
        if (missing > 0)
            _found.Add(DoctorMessages.IndexMissingValues(index, missing, BlindIndexDefinition.Parse(index.Definition!).AllowsMissing));
    }

    private static int? FindNeeded(MapColumn column)
    {
        if (column.Kind == MapColumnKind.BlindIndex)
            return EnvelopeHeader.Length + BlindIndexDefinition.Parse(column.Definition!).Length;
        if (!FixedLengths.TryGetValue(column.PlaintextType, out var length))
            return null;
        var envelope = length + OverheadOf(column);
        return column.IsText ? TextEnvelope.LengthOf(envelope) : envelope;
    }

    private static int OverheadOf(MapColumn column)
        => FieldCipher.OverheadOf(column.Mode == EncryptionMode.Deterministic ? EnvelopeAlgorithm.Aes256Siv : EnvelopeAlgorithm.Aes256Gcm);
}
