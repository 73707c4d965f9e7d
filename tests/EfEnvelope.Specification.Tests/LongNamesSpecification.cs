using EfEnvelope.Specification.TestUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Xunit;

namespace EfEnvelope.Specification;

/// <summary>Names that EfEnvelope makes of an application's long ones stay different within the database's limit.</summary>
public abstract class LongNamesSpecification(TestDatabase database) : AdHocSpecification(database)
{
    [Fact]
    public async Task Unique_blind_index_with_a_long_name_refuses_a_duplicate()
    {
        await CreateAsync(
            b => b.Entity<Registration>(
                e =>
                {
                    e.ToTable("PatientRegistrationDocuments");
                    e.Property(r => r.ElectronicMailAddress).IsEncrypted().HasBlindIndex(isUnique: true);
                }));
        await SaveAsync(new Registration { Id = 1, ElectronicMailAddress = "ada@example.org" });

        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(new Registration { Id = 2, ElectronicMailAddress = "ada@example.org" }));
        AssertDifferentNames();
        await using var db = Open();
        Assert.Equal(1, (await db.Set<Registration>().SingleAsync(r => r.ElectronicMailAddress == "ada@example.org")).Id);
    }

    [Fact]
    public async Task Indexes_columns_and_constraints_of_long_names_are_different()
    {
        await CreateAsync(
            b => b.Entity<Registration>(
                e =>
                {
                    e.ToTable("PatientRegistrationDocuments");
                    var column = "ElectronicMailAddressOfThePersonWhoIsResponsibleForThePatient";
                    e.Property(r => r.ElectronicMailAddress).HasColumnName(column).IsEncrypted()
                        .HasBlindIndex(isUnique: true)
                        .HasBlindIndex(projection: BlindIndexProjection.First, characters: 3, isUnique: true)
                        .HasBlindIndex(projection: BlindIndexProjection.Last, characters: 4);
                    e.Property(r => r.Other).HasColumnName(column + "2").HasMaxLength(20).IsEncrypted(EncryptionMode.Deterministic);
                    e.HasIndex(r => r.Other).IsUnique();
                    e.HasBlindIndex(r => new { r.ElectronicMailAddress, r.Other });
                }));
        await SaveAsync(new Registration { Id = 1, ElectronicMailAddress = "ada@example.org", Other = "eve@example.org" });

        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(new Registration { Id = 2, ElectronicMailAddress = "ada@example.org" }));
        await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(new Registration { Id = 3, Other = "eve@example.org" }));
        AssertDifferentNames();
        await using var db = Open();
        Assert.Equal(1, await db.Set<Registration>().CountAsync(r => r.ElectronicMailAddress == "ada@example.org"));
        Assert.Equal(1, await db.Set<Registration>().CountAsync(r => r.ElectronicMailAddress!.EndsWith(".org")));
        Assert.Equal(1, await db.Set<Registration>().CountAsync(r => r.ElectronicMailAddress!.StartsWith("ada")));
        Assert.Equal(1, await db.Set<Registration>().CountAsync(r => r.ElectronicMailAddress == "ada@example.org" && r.Other == "eve@example.org"));
    }

    [Fact]
    public async Task Short_names_stay_as_they_were()
    {
        await CreateAsync(
            b => b.Entity<Registration>(
                e =>
                {
                    e.ToTable("Docs");
                    e.Property(r => r.ElectronicMailAddress).HasColumnName("Mail").IsEncrypted().HasBlindIndex(isUnique: true);
                    e.Property(r => r.Other).IsEncrypted().HasBlindIndex();
                }));

        await using var db = Open();
        var table = db.GetService<Microsoft.EntityFrameworkCore.Metadata.IDesignTimeModel>().Model.GetRelationalModel().FindTable("Docs", null)!;
        Assert.Equal(["Id", "Mail", "Mail_BlindIndex", "Mail_BlindIndex_Next", "Other", "Other_BlindIndex"], table.Columns.Select(c => c.Name).Order(StringComparer.Ordinal));
        Assert.Equal(["IX_Docs_Mail_BlindIndex", "IX_Docs_Mail_BlindIndex_Next", "IX_Docs_Other_BlindIndex"], table.Indexes.Select(i => i.Name).Order(StringComparer.Ordinal));
        Assert.Equal(
            ["CK_Docs_Mail_BlindIndex", "CK_Docs_Mail_IsEnvelope", "CK_Docs_Other_BlindIndex", "CK_Docs_Other_IsEnvelope"],
            table.CheckConstraints.Select(c => c.Name).Order(StringComparer.Ordinal));
    }

    private void AssertDifferentNames()
    {
        using var db = Open();
        var model = db.GetService<Microsoft.EntityFrameworkCore.Metadata.IDesignTimeModel>().Model;
        var table = model.GetRelationalModel().FindTable("PatientRegistrationDocuments", null)!;
        foreach (var names in new[] { table.Columns.Select(c => c.Name), table.Indexes.Select(i => i.Name), table.CheckConstraints.Select(c => c.Name!) })
        {
            var limit = Math.Min(model.GetMaxIdentifierLength(), 1000);
            Assert.All(names, n => Assert.True(n.Length <= limit, n));
            Assert.Equal(names.Count(), names.Distinct(StringComparer.OrdinalIgnoreCase).Count());
        }
    }

    public sealed class Registration
    {
        [System.ComponentModel.DataAnnotations.Schema.DatabaseGenerated(System.ComponentModel.DataAnnotations.Schema.DatabaseGeneratedOption.None)]
        public int Id { get; set; }

        public string? ElectronicMailAddress { get; set; }

        public string? Other { get; set; }
    }
}
