using System.Reflection;
using EfEnvelope.Kms.Local.Storage;
using Microsoft.Data.SqlClient;

namespace EfEnvelope.Kms.Local;

/// <summary>What the errors of SQL Server mean to callers: a refusal ends the use of cached keys, and an outage does not.</summary>
public sealed class ServerErrorsTests
{
    [Theory]
    [InlineData(18456, KmsErrorKind.AccessDenied)]
    [InlineData(18452, KmsErrorKind.AccessDenied)]
    [InlineData(18470, KmsErrorKind.AccessDenied)]
    [InlineData(18486, KmsErrorKind.AccessDenied)]
    [InlineData(18487, KmsErrorKind.AccessDenied)]
    [InlineData(18488, KmsErrorKind.AccessDenied)]
    [InlineData(916, KmsErrorKind.AccessDenied)]
    [InlineData(229, KmsErrorKind.AccessDenied)]
    [InlineData(4060, KmsErrorKind.NotFound)]
    [InlineData(208, KmsErrorKind.InvalidCiphertext)]
    [InlineData(1205, KmsErrorKind.Unavailable)]
    [InlineData(1222, KmsErrorKind.Unavailable)]
    [InlineData(-2, KmsErrorKind.Unavailable)]
    [InlineData(53, KmsErrorKind.Unavailable)]
    [InlineData(18461, KmsErrorKind.Unavailable)]
    [InlineData(40613, KmsErrorKind.Unavailable)]
    public void Login_that_is_refused_is_told_from_an_outage(int number, KmsErrorKind kind)
        => Assert.Equal(kind, StoreErrors.Map(Make(number), "db/keys").Kind);

    [Fact]
    public void Duplicate_that_somebody_else_wrote_first_is_a_race() => Assert.True(StoreErrors.IsRace(Make(2627)));

    [Fact]
    public void Table_that_is_missing_is_told() => Assert.True(StoreErrors.IsMissingTable(Make(208)));

    private static SqlException Make(int number)
    {
        var errors = (SqlErrorCollection)Activator.CreateInstance(typeof(SqlErrorCollection), nonPublic: true)!;
        var make = typeof(SqlError).GetConstructors(BindingFlags.Instance | BindingFlags.NonPublic).MinBy(c => c.GetParameters().Length)!;
        var error = make.Invoke([.. make.GetParameters().Select((p, i) => i == 0 ? number : p.ParameterType == typeof(string) ? "" : p.ParameterType.IsValueType ? Activator.CreateInstance(p.ParameterType) : null)]);
        typeof(SqlErrorCollection).GetMethod("Add", BindingFlags.Instance | BindingFlags.NonPublic)!.Invoke(errors, [error]);
        return (SqlException)typeof(SqlException).GetMethod("CreateException", BindingFlags.Static | BindingFlags.NonPublic, [typeof(SqlErrorCollection), typeof(string)])!.Invoke(null, [errors, ""])!;
    }
}
