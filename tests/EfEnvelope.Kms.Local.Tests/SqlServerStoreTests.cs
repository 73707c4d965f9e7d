using EfEnvelope.Kms.Local.Storage;
using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Kms.Local;

/// <summary>What can be said of SQL Server without one.</summary>
public sealed class SqlServerStoreTests
{
    private readonly ServerPlace _place = new(store => store.UseSqlServer("Server=db.clinic.example;Database=keys;User Id=kms;Password=hunter2"));

    [Fact]
    public async Task Names_of_keys_compare_exactly()
    {
        await using var db = _place.Open(tracks: false);

        var script = string.Join(";\n", KmsTables.All.SelectMany(t => StoreSchema.Create(db, t)));

        Assert.Contains("[name] nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL", script);
        Assert.Contains("[sealed_material] varbinary(4000) NOT NULL", script);
        Assert.Contains("REFERENCES [kms_keys] ([key_id]) ON DELETE NO ACTION", script);
        Assert.Contains("CREATE UNIQUE INDEX [IX_kms_keys_name] ON [kms_keys] ([name])", script);
        Assert.DoesNotContain("IDENTITY", script);
    }

    [Fact]
    public void Store_is_named_by_server_and_database()
        => Assert.Equal("db.clinic.example/keys", _place.Name);
}
