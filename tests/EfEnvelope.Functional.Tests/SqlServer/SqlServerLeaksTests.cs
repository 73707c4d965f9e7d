using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

[Collection("SqlServer")]
public sealed class SqlServerLeaksTests() : LeaksSpecification(new SqlServerTestDatabase());
