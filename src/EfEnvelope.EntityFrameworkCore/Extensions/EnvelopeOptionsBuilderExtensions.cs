using EfEnvelope;

namespace Microsoft.EntityFrameworkCore;

/// <summary>What envelope encryption can be told about contexts.</summary>
public static class EnvelopeOptionsBuilderExtensions
{
    /// <summary>
    /// Names the schema in which a context finds its tables, where the model names none: for applications that choose it by <c>SET search_path</c>, by
    /// roles or by an interceptor. Without it, a context with a connection interceptor asks the database, once each time its connection is opened.
    /// </summary>
    /// <param name="builder">The options.</param>
    /// <param name="schema">Returns the schema, or <see langword="null" /> for the default of the connection. Called by every command: it must be fast.</param>
    /// <returns>The same builder.</returns>
    public static EnvelopeOptionsBuilder ForSchema(this EnvelopeOptionsBuilder builder, Func<DbContext, string?> schema)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(schema);
        builder.FindSchema = context => schema((DbContext)context);
        return builder;
    }
}
