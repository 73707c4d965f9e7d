using EfEnvelope.Functional.TestUtilities;
using EfEnvelope.Specification;
using Xunit;

namespace EfEnvelope.Functional;

[Collection("Memory")]
public sealed class SqliteJobMemoryTests() : JobMemorySpecification(new SqliteTestDatabase());

[Collection("Memory")]
public sealed class PostgresJobMemoryTests() : JobMemorySpecification(new PostgresTestDatabase());

/// <summary>What is held is measured for the whole process, so nothing else may run beside it.</summary>
[CollectionDefinition("Memory", DisableParallelization = true)]
public sealed class MemoryCollection;
