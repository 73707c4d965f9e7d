using EfEnvelope.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Conventions;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>Looks once more when all conventions have run: whatever is marked must be encrypted in fact, or the model is refused.</summary>
internal sealed class EnvelopeVerificationConvention(IDatabaseProvider provider) : IModelFinalizedConvention
{
    public IModel ProcessModelFinalized(IModel model)
    {
        var faults = model.GetEntityTypes()
            .SelectMany(Flatten)
            .SelectMany(t => t.GetDeclaredProperties())
            .SelectMany(FindFaults)
            .Concat(ModelSql.FindFaults(model, provider.Name))
            .Concat(SharedColumns.FindFaults(model))
            .ToList();
        if (faults.Count == 0 && model[EnvelopeAnnotations.Schema] is null && HasEncrypted(model))
            faults.Add(EnvelopeMessages.ConventionsStopped());
        return faults.Count == 0 ? model : throw new EnvelopeConfigurationException(string.Join(Environment.NewLine, faults));
    }

    private static bool HasEncrypted(IModel model)
        => model.GetEntityTypes().SelectMany(Flatten).SelectMany(t => t.GetDeclaredProperties()).Any(p => EnvelopeAnnotations.FindMark(p) is not null);

    private static IEnumerable<string> FindFaults(IProperty property)
        => EnvelopeAnnotations.FindMark(property) is not { } mark ? []
            : !EnvelopeConverters.TryFindField(property.GetValueConverter(), out _) ? [EnvelopeMessages.NotEncrypted(EnvelopeRules.NameOf(property))]
            : EnvelopeRules.FindFaults(property, mark);

    private static IEnumerable<ITypeBase> Flatten(ITypeBase type)
        => [type, .. type.GetDeclaredComplexProperties().SelectMany(p => Flatten(p.ComplexType))];
}
