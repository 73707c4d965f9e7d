using EfEnvelope.EntityFrameworkCore.KeyStore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;

namespace EfEnvelope.EntityFrameworkCore.Migrations;

/// <summary>Creates our tables and fills the encryption map, and refuses the migrations that would harm encrypted values, all faults in one message.</summary>
internal sealed class EnvelopeMigrationsSqlGenerator(IMigrationsSqlGenerator inner, EnvelopeCheckOperations checks, EnvelopeTablesSql tables)
    : IMigrationsSqlGenerator
{
    public IReadOnlyList<MigrationCommand> Generate(
        IReadOnlyList<MigrationOperation> operations,
        IModel? model = null,
        MigrationsSqlGenerationOptions options = MigrationsSqlGenerationOptions.Default)
    {
        if (MigrationRules.FindFaults(operations, model) is { Count: > 0 } faults)
            throw new EnvelopeConfigurationException(string.Join(Environment.NewLine, faults));
        var isIdempotent = options.HasFlag(MigrationsSqlGenerationOptions.Idempotent);
        return inner.Generate(new EnvelopeTableOperations(tables, checks.Rewrite(operations, model), model, isIdempotent).Rewrite(), model, options);
    }
}
