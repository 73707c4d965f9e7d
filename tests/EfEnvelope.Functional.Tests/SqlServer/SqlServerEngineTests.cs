using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

[Collection("SqlServer")]
public sealed class SqlServerJobIndexesTests() : JobIndexesSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobKeysTests() : JobKeysSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobMemoryTests() : JobMemorySpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobPlanningTests() : JobPlanningSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobRacesTests() : JobRacesSpecification(new SqlServerTestDatabase())
{
    protected override string CaselessText => "nvarchar(200) COLLATE Latin1_General_CI_AI";
}

[Collection("SqlServer")]
public sealed class SqlServerJobResumptionTests() : JobResumptionSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobTransformsTests() : JobTransformsSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerJobTypesTests() : JobTypesSpecification(new SqlServerTestDatabase());

[Collection("SqlServer")]
public sealed class SqlServerKeyAdministrationTests() : KeyAdministrationSpecification(new SqlServerTestDatabase());
