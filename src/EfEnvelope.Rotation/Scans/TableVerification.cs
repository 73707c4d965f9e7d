using System.Security.Cryptography;
using EfEnvelope.BlindIndexes;
using EfEnvelope.Diagnostics;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.Envelopes;
using EfEnvelope.Keys;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;

namespace EfEnvelope.Rotation.Scans;

/// <summary>Opens every value of one table, and computes every blind index anew.</summary>
internal sealed class TableVerification
{
    private const int PageSize = 1000;

    private readonly Session _session;
    private readonly VerifyRing _ring;
    private readonly VerifyTally _tally;
    private readonly IReadOnlyList<MapColumn> _map;
    private readonly RowPlan _plan;
    private readonly Dictionary<int, Index> _indexes;

    public TableVerification(Session session, TableInfo table, IReadOnlyList<MapColumn> map, VerifyRing ring, VerifyTally tally)
    {
        (_session, _map, _ring, _tally) = (session, map, ring, tally);

        // The plan has the columns of the map, in its order.
        _plan = RowPlanner.MakeReading(session.Dialect, table, map);
        _indexes = map.Index().Where(c => c.Item.Kind == MapColumnKind.BlindIndex).ToDictionary(c => c.Index, c => CreateIndex(c.Index));
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var reader = new RowReader(_session, _plan, filter: null);
        object?[]? after = null;
        while (true)
        {
            var rows = await reader.ReadAsync(after, null, PageSize, cancellationToken).ConfigureAwait(false);
            if (rows.Count == 0)
                return;
            var ring = await _ring.GetAsync(_plan, rows, cancellationToken).ConfigureAwait(false);
            foreach (var (key, values) in rows)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var row = new RowWork(_plan, key, values, ring);
                Verify(row);
            }

            _tally.AddRows(rows.Count);
            if (rows.Count < PageSize)
                return;
            after = rows[^1].Key;
        }
    }

    private void Verify(RowWork row)
    {
        var opened = new bool[_map.Count];
        for (var i = 0; i < _map.Count; i++)
        {
            if (_map[i].Kind == MapColumnKind.Value)
                opened[i] = Check(row, i, () => VerifyValue(row, i));
        }

        for (var i = 0; i < _map.Count; i++)
        {
            if (_map[i].Kind == MapColumnKind.BlindIndex)
                Check(row, i, () => VerifyIndex(row, i, opened));
            else if (_map[i].NextOf is { } main && row.Old[i] is not null && opened[i])
                Check(row, i, () => VerifyNext(row, i, _map.Index().First(c => c.Item.Column == main).Index, opened));
        }
    }

    private bool Check(RowWork row, int column, Action verify)
    {
        try
        {
            verify();
            return true;
        }
        catch (RowRefusedException e)
        {
            _tally.Fail(_plan.Table.DisplayName, row.Key, _plan.Columns[column].Name, e.Message);
            return false;
        }
    }

    private void VerifyValue(RowWork row, int column)
    {
        if (row.Old[column] is null)
            return;
        if (row.FindEnvelope(column) is not { } envelope)
        {
            if (!_map[column].AllowsPlaintext)
                throw new RowRefusedException(column, ScanMessages.PlaintextNotAllowed(_plan.NameOf(column)));
            return;
        }

        Open(row, column);
        RequireNotRetired(row, column, row.ReadHeader(column, envelope));
        _tally.Opened++;
    }

    private void Open(RowWork row, int column)
    {
        try
        {
            row.Open(column);
        }
        catch (RowRefusedException e)
        {
            throw new RowRefusedException(column, _ring.Explain(e.Message));
        }
    }

    private void VerifyNext(RowWork row, int column, int main, bool[] opened)
    {
        if (row.Old[main] is null)
            throw new RowRefusedException(column, ScanMessages.NextWithoutValue(_plan.NameOf(column), _map[main].Column));
        if (opened[main] && !CryptographicOperations.FixedTimeEquals(row.Open(column)!, row.Open(main)!))
            throw new RowRefusedException(column, ScanMessages.NextDiffers(_plan.NameOf(column), _map[main].Column));
    }

    private void VerifyIndex(RowWork row, int column, bool[] opened)
    {
        var index = _indexes[column];
        var isComplete = index.Sources.All(s => row.Old[s] is not null);
        if (row.Old[column] is null)
        {
            if (isComplete && index.IsRequired)
                throw new RowRefusedException(column, ScanMessages.IndexMissing(_plan.NameOf(column)));
            return;
        }

        if (!isComplete)
            throw new RowRefusedException(column, ScanMessages.IndexWithoutValues(_plan.NameOf(column)));
        var stored = row.FindEnvelope(column)!;
        var header = row.ReadHeader(column, stored);
        if (header.Algorithm != EnvelopeAlgorithm.BlindIndex || stored.Length != index.Context.StoredLength)
            throw new RowRefusedException(column, ScanMessages.NotABlindIndex(_plan.NameOf(column)));
        var key = row.Ring.Find(header.KeyNumber)
            ?? throw new RowRefusedException(column, Messages.UnknownKeyVersion(_plan.NameOf(column), row.Ring.Scope.Name, header.KeyNumber));
        if (key.Stored.Status == KeyVersionStatus.Destroyed)
            throw new RowRefusedException(column, Messages.KeyVersionDestroyed(key.Stored.Version));
        if (key.Stored.Status == KeyVersionStatus.Disabled)
            throw new RowRefusedException(column, Messages.KeyVersionDisabled(key.Stored.Version));
        RequireNotRetired(row, column, header);

        // A source that does not open has been told of already.
        if (!index.Sources.All(s => opened[s]))
            return;
        if (!CryptographicOperations.FixedTimeEquals(index.Task.Compute(row, KeyRing.RequireKey(key)), stored))
            throw new RowRefusedException(column, _ring.Explain(ScanMessages.IndexDiffers(_plan.NameOf(column), key.Stored.Version)));
        _tally.IndexesChecked++;
    }

    private void RequireNotRetired(RowWork row, int column, EnvelopeHeader header)
    {
        if (row.Ring.Find(header.KeyNumber) is { Stored: { RetiredAt: not null } stored })
            throw new RowRefusedException(column, ScanMessages.RetiredVersion(_plan.NameOf(column), stored.Version));
    }

    private Index CreateIndex(int column)
    {
        var index = _map[column];
        var context = MapStore.ContextOf(index, _map);
        int[] sources = [.. index.Sources.Select(s => _map.Index().First(c => c.Item.Column == s).Index)];
        return new Index(
            sources, context, new IndexTask(column, sources, context, KeyRole.Search), index.NextOf is null && !BlindIndexDefinition.Parse(index.Definition!).AllowsMissing);
    }

    private sealed record Index(int[] Sources, BlindIndexContext Context, IndexTask Task, bool IsRequired);
}
