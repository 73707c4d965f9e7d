using System.Diagnostics.CodeAnalysis;
using System.Linq.Expressions;
using EfEnvelope.EntityFrameworkCore.Infrastructure;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Query;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Update;

namespace EfEnvelope.EntityFrameworkCore.Update;

/// <summary>
/// Sets the blind indexes, and what a unique index compares under the next key version, of what is about to be saved. It stands behind every interceptor and event of 'SaveChanges', so that none can change a
/// value after its index was set. All that is saved and queried passes here, so the model is checked here as well as before each command.
/// </summary>
internal sealed class EnvelopeDatabase(IDatabase inner, EnvelopeSession session, TranslationWatch watch) : IDatabase
{
    public int SaveChanges(IList<IUpdateEntry> entries)
        => inner.SaveChanges(SetBlindIndexes(entries));

    public Task<int> SaveChangesAsync(IList<IUpdateEntry> entries, CancellationToken cancellationToken = default)
        => inner.SaveChangesAsync(SetBlindIndexes(entries), cancellationToken);

    public Func<QueryContext, TResult> CompileQuery<TResult>(Expression query, bool async)
    {
        session.CheckModel();
        return watch.Compile(() => inner.CompileQuery<TResult>(query, async));
    }

    [Experimental("EF9100")]
    public Expression<Func<QueryContext, TResult>> CompileQueryExpression<TResult>(Expression query, bool async)
    {
        session.CheckModel();
        return watch.Compile(() => inner.CompileQueryExpression<TResult>(query, async));
    }

    private IList<IUpdateEntry> SetBlindIndexes(IList<IUpdateEntry> entries)
    {
        session.CheckModel();
        if (entries.Count == 0)
            return entries;
        var model = EnvelopeModel.Of(entries[0].EntityType.Model);
        var anyLeft = false;
        foreach (var entry in entries)
        {
            foreach (var index in model.FindIndexes(entry.EntityType))
            {
                if (entry.EntityState == EntityState.Deleted)
                    SetOriginal(entry, index);
                else if (entry.EntityState == EntityState.Added || IsAnyModified(entry, index))
                    Set(entry, index);
                else
                    anyLeft |= TryLeave(entry, index.Property) | (index.Next is { } next && TryLeave(entry, next)) | TryCompare(entry, index);
            }

            foreach (var property in model.FindUnique(entry.EntityType))
            {
                if (entry.EntityState == EntityState.Added || (entry.EntityState == EntityState.Modified && entry.IsModified(property.Property)))
                    SetNext(entry, property.Next!, entry.GetCurrentValue(property.Property) is { } value ? property.NextConverter.ConvertToProvider(value) : null);
                else if (entry.EntityState == EntityState.Modified)
                    anyLeft |= TryLeave(entry, property.Next!);
            }
        }

        // What had nothing but its index to write has nothing to write.
        return anyLeft ? [.. entries.Where(e => e.EntityState != EntityState.Unchanged)] : entries;
    }

    private static void Set(IUpdateEntry entry, BlindIndex index)
    {
        var values = new object[index.Sources.Count];
        var isNull = false;
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = entry.GetCurrentValue(index.Sources[i].Property)!;
            isNull |= index.Sources[i].IsStoredAsNull(values[i]) || IsLeftOut(entry, index.Sources[i].Property);
        }

        // An entity that was attached instead of read has defaults where nothing was set; an index over them would hide the row.
        if (index.Definition.IsCompound
            && entry.EntityState == EntityState.Modified
            && !index.Sources.All(s => entry.IsModified(s.Property))
            && entry.GetOriginalValue(index.Property) is null
            && index.Sources.All(s => entry.GetOriginalValue(s.Property) is not null))
        {
            // While the index is being filled, a row that was read lacks it as well: then it goes on lacking it.
            isNull |= index.Definition.AllowsMissing;
            if (!isNull)
                throw new EnvelopeConfigurationException(EnvelopeMessages.CompoundNotLoaded(index.Name, index.Sources.Select(s => s.Name)));
        }

        SetOriginal(entry, index);
        var property = entry.ToEntityEntry().Property(index.Property.Name);
        property.CurrentValue = isNull ? null : new BlindIndexEnvelope(index, values, index.WriteRole, searches: false);
        if (entry.EntityState == EntityState.Modified)
            property.IsModified = true;
        if (index.Next is { } next)
            SetNext(entry, next, isNull ? null : new BlindIndexEnvelope(index, values, KeyRole.UniqueNext, searches: false));
    }

    // It changes with what it is the second of, so that EF Core needs to compare only that to put its commands in order. Whether there is a version for it
    // is known when the command runs.
    private static void SetNext(IUpdateEntry entry, IProperty next, object? value)
    {
        var property = entry.ToEntityEntry().Property(next.Name);
        property.CurrentValue = value;
        if (entry.EntityState == EntityState.Modified)
            property.IsModified = true;
    }

    // 'Update' marks every property as modified, and an application may take that back for some: the index of an entity that was attached is unknown then.
    private static bool TryLeave(IUpdateEntry entry, IProperty property)
    {
        if (!entry.IsModified(property))
            return false;
        entry.ToEntityEntry().Property(property.Name).IsModified = false;
        return true;
    }

    // EF Core does not write a default value of an entity that takes the place of another one whose type lacks the column.
    private static bool IsLeftOut(IUpdateEntry entry, IProperty source)
        => entry.SharedIdentityEntry is { } replaced
            && source.GetValueComparer().Equals(entry.GetCurrentValue(source), source.Sentinel)
            && source.GetTableColumnMappings().All(m => m.Column.FindColumnMapping(replaced.EntityType) is null);

    private static bool IsAnyModified(IUpdateEntry entry, BlindIndex index)
    {
        foreach (var source in index.Sources)
        {
            if (entry.IsModified(source.Property))
                return true;
        }

        return false;
    }

    // EF Core lets one row give a unique value up before another takes it, if it can see that both are equal. Stored bytes it cannot compare with a hash
    // that is yet to be computed.
    private static bool SetOriginal(IUpdateEntry entry, BlindIndex index)
    {
        if (!index.Definition.IsUnique
            || entry.EntityState == EntityState.Added
            || !entry.CanHaveOriginalValue(index.Property)
            || index.Sources.Any(s => !entry.CanHaveOriginalValue(s.Property)))
            return false;
        var values = index.Sources.Select(s => entry.GetOriginalValue(s.Property)).ToArray();
        entry.ToEntityEntry().Property(index.Property.Name).OriginalValue
            = index.Sources.Zip(values).Any(v => v.First.IsStoredAsNull(v.Second)) ? null : new BlindIndexEnvelope(index, values!, index.WriteRole, searches: false);
        return true;
    }

    // An index over several columns compares this one as well when only another of them changes.
    private static bool TryCompare(IUpdateEntry entry, BlindIndex index)
    {
        if (entry.EntityState != EntityState.Modified || entry.GetCurrentValue(index.Property) is null || !SetOriginal(entry, index))
            return false;
        entry.ToEntityEntry().Property(index.Property.Name).IsModified = false;
        return entry.EntityState == EntityState.Unchanged;
    }
}
