using Microsoft.EntityFrameworkCore.Metadata.Conventions;
using Microsoft.EntityFrameworkCore.Metadata.Conventions.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

internal sealed class EnvelopeConventionSetPlugin(
    IRelationalTypeMappingSource typeMappings, IValueConverterSelector converters, ISqlGenerationHelper sql, IDatabaseProvider provider)
    : IConventionSetPlugin
{
    public ConventionSet ModifyConventions(ConventionSet conventionSet)
    {
        var convention = new EnvelopeConvention(typeMappings, converters, provider);
        conventionSet.ModelInitializedConventions.Add(convention);
        conventionSet.ModelInitializedConventions.Add(new EnvelopeClosingConvention(conventionSet, sql, provider));
        conventionSet.ModelFinalizingConventions.Add(convention);

        // First among these, so that it sees what all finalizing conventions left, before the model turns read-only.
        conventionSet.ModelFinalizedConventions.Insert(0, new EnvelopeVerificationConvention(provider));
        return conventionSet;
    }
}
