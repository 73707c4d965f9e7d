using System.Runtime.CompilerServices;
using EfEnvelope.EntityFrameworkCore.Query;
using EfEnvelope.EntityFrameworkCore.Storage;
using EfEnvelope.EntityFrameworkCore.Update;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Storage;

namespace EfEnvelope.EntityFrameworkCore.Metadata;

/// <summary>
/// Looks at the model and the services that a context really has, which may have come past the conventions: a model built elsewhere, shared through a
/// cache, or compiled before a property was marked; a query service replaced afterwards.
/// </summary>
internal static class ModelCheck
{
    private static readonly ConditionalWeakTable<IModel, object> Checked = [];

    public static void Require(DbContext context)
    {
        RequireService<IShapedQueryCompilingExpressionVisitorFactory, EnvelopeShapedQueryCompilingExpressionVisitorFactory>(context);
        RequireService<IQueryTranslationPreprocessorFactory, EnvelopeQueryTranslationPreprocessorFactory>(context);
        RequireService<IDatabase, EnvelopeDatabase>(context);
        if (Checked.TryGetValue(context.Model, out _))
            return;
        var faults = context.Model.GetEntityTypes().SelectMany(t => t.GetFlattenedDeclaredProperties()).Where(IsInClear)
            .Select(p => EnvelopeMessages.ModelFromElsewhere(EnvelopeRules.NameOf(p)))
            .ToList();
        if (faults.Count > 0)
            throw new EnvelopeConfigurationException(string.Join(Environment.NewLine, faults));
        Checked.AddOrUpdate(context.Model, Checked);
    }

    /// <summary>Whether a property is marked and would be stored in clear text. In a migrations snapshot it is an envelope, without a converter.</summary>
    public static bool IsInClear(IProperty property)
        => EnvelopeAnnotations.FindMark(property) is not null && !typeof(Envelope).IsAssignableFrom(property.ClrType)
            && !EnvelopeConverters.TryFindField(property.GetTypeMapping().Converter, out _);

    private static void RequireService<TService, TOurs>(DbContext context)
        where TService : class
    {
        if (context.GetService<TService>() is var service and not TOurs)
            throw new EnvelopeConfigurationException(EnvelopeMessages.QueryServiceTaken(service.GetType().FullName));
    }
}
