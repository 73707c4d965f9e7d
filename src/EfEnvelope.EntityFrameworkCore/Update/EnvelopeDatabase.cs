using System.Diagnostics.CodeAnalysis;
using System.Linq.Expressions;
using EfEnvelope.EntityFrameworkCore.Metadata;
using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Update;

namespace EfEnvelope.EntityFrameworkCore.Update;

/// <summary>
/// Sets the blind indexes of what is about to be saved. It stands behind every interceptor and event of 'SaveChanges', so that none can change a
/// value after its index was set.
/// </summary>
internal sealed class EnvelopeDatabase(IDatabase inner) : IDatabase
{
    public int SaveChanges(IList<IUpdateEntry> entries)
    {
        SetBlindIndexes(entries);
        return inner.SaveChanges(entries);
    }

    public Task<int> SaveChangesAsync(IList<IUpdateEntry> entries, CancellationToken cancellationToken = default)
    {
        SetBlindIndexes(entries);
        return inner.SaveChangesAsync(entries, cancellationToken);
    }

    public Func<QueryContext, TResult> CompileQuery<TResult>(Expression query, bool async) => inner.CompileQuery<TResult>(query, async);

    [Experimental("EF9100")]
    public Expression<Func<QueryContext, TResult>> CompileQueryExpression<TResult>(Expression query, bool async)
        => inner.CompileQueryExpression<TResult>(query, async);

    private static void SetBlindIndexes(IList<IUpdateEntry> entries)
    {
        if (entries.Count == 0)
            return;
        var model = EnvelopeModel.Of(entries[0].EntityType.Model);
        foreach (var entry in entries)
        {
            foreach (var index in model.FindIndexes(entry.EntityType))
            {
                if (entry.EntityState is EntityState.Added or EntityState.Modified)
                    Set(entry, index);
                else if (entry.EntityState == EntityState.Deleted)
                    SetOriginal(entry, index);
            }
        }
    }

    private static void Set(IUpdateEntry entry, BlindIndex index)
    {
        if (entry.EntityState == EntityState.Modified && !index.Sources.Any(s => entry.IsModified(s.Property)))
            return;
        var values = new object[index.Sources.Count];
        var isNull = false;
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = entry.GetCurrentValue(index.Sources[i].Property)!;
            isNull |= values[i] is null;
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
    }

    // EF Core lets one row give a unique value up before another takes it, if it can see that both are equal. Stored bytes it cannot compare with a hash
    // that is yet to be computed.
    private static void SetOriginal(IUpdateEntry entry, BlindIndex index)
    {
        if (!index.Definition.IsUnique
            || entry.EntityState == EntityState.Added
            || !entry.CanHaveOriginalValue(index.Property)
            || index.Sources.Any(s => !entry.CanHaveOriginalValue(s.Property)))
            return;
        var values = index.Sources.Select(s => entry.GetOriginalValue(s.Property)).ToArray();
        entry.ToEntityEntry().Property(index.Property.Name).OriginalValue
            = values.Any(v => v is null) ? null : new BlindIndexEnvelope(index, values!, index.WriteRole, searches: false);
    }
}
