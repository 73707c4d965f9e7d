using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Metadata.Conventions;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace EfEnvelope.Specification.TestUtilities;

/// <summary>Names tables and columns as PostgreSQL likes them, as soon as they are found.</summary>
public sealed class SnakeCaseConvention : IEntityTypeAddedConvention, IPropertyAddedConvention
{
    public void ProcessEntityTypeAdded(IConventionEntityTypeBuilder entityTypeBuilder, IConventionContext<IConventionEntityTypeBuilder> context)
        => entityTypeBuilder.ToTable(Rewrite(entityTypeBuilder.Metadata.ShortName()));

    public void ProcessPropertyAdded(IConventionPropertyBuilder propertyBuilder, IConventionContext<IConventionPropertyBuilder> context)
        => propertyBuilder.HasColumnName(Rewrite(propertyBuilder.Metadata.Name));

    internal static string Rewrite(string name) => Regex.Replace(name, "(?<=[a-z])([A-Z])", "_$1").ToLowerInvariant();
}

/// <summary>Does the same when the model is complete, after every other convention.</summary>
public sealed class FinalSnakeCaseConvention : IModelFinalizingConvention
{
    public void ProcessModelFinalizing(IConventionModelBuilder modelBuilder, IConventionContext<IConventionModelBuilder> context)
    {
        foreach (var type in modelBuilder.Metadata.GetEntityTypes())
        {
            type.Builder.ToTable(SnakeCaseConvention.Rewrite(type.GetTableName()!));
            foreach (var property in type.GetProperties())
                property.Builder.HasColumnName(SnakeCaseConvention.Rewrite(property.GetColumnName()));
        }
    }
}

/// <summary>A converter that an application puts on all its strings.</summary>
public sealed class ReversingConverter() : ValueConverter<string, string>(v => Reverse(v), v => Reverse(v))
{
    private static string Reverse(string value) => new([.. value.Reverse()]);
}
