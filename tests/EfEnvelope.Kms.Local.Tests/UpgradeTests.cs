using System.IO.Compression;

namespace EfEnvelope.Kms.Local;

/// <summary>A file that the first version of the embedded KMS wrote: one key of two versions, which wrapped six keys.</summary>
public sealed class UpgradeTests : IDisposable
{
    // gzip, Base64.
    private const string File =
        "H4sICHG6B2sCA3YxLmRiAO3dT2zbVBwHcDtt/mpZOGxEZSr1vGla1WZzHOdfpQnS1t2y5k+bplqrDYLjODRr2mR2+k8ToGwTmwQH0AYHJrEDBYEQoCEQoxcuQzsMgbbrdgChIW5D2vhzQBMvf7s16Q" +
        "In1un7kfPHzy/PL7/3ntVnR+7YaChTUJh0Tp2RCoyLeoLS6ahnGYaiKB15mKlVevJov2+dplrTUXveumq1/UWZLDy1+ZztinVl02vW05a3Nx0kCQAAAACwASRNRrujky4aM7MpZTE4kZie0RLTypKW" +
        "mJVmlNqKeSAmBuIiMx4Jjo6LTDAyKE4w7NrcLBONMGwtiWV2s+XU7pNOA9mJg351a0FKZmuFJuYVVcvkZrW168bqzuKB/pBYL6++mZRrYQi2lJhJsUxcnIgzkSh5jIdCvZVt1cwsqWpc3C/G1m7XCl" +
        "JBaf5RTZGySipB/oBW1IyUZZn+ULR/bSZZVcj25jsfiEbG4rEA2TPDjgwnGus/EguGA7FJZlicJDGqfo3e1Up3N5Yz1FjOauxrgRiKxsTg/siD5XYzMXFIjImRAXHswcapZyCtNiiGRBLymEj2GByI" +
        "W7qfMRrsYw6aKncL7ViWTCsS0lwhV15vrItzbYqpuNRutHd10ScD9UYvRVarv9E3NnM5vd6+pbXGBm4W3urn7otrtZmmSXWbt3JeUknfJE2sPbQXqLlcofS9/ksvsHQ79Qa72PWw4JVrXIla+a2heK" +
        "jNaO/spE/S9XCR6km11/bGYJWS67EqhWltV28WqcqHGgNVmTEmWg2bUhHrDbn1gnGCo8vf7JTr/tFfG/WarulobzHK1xljTftA5cjUtA/Mqfmctt5hYP0jRF7NzEjqUstoqcp85qEZ1gvZXp3BPtDZ" +
        "YvCtDjqtjRzITaWjubU0kbe9R5EFAAAAAAAAAP4/h2lTuGPrNtocTcmCW/CmnT7e6/cIfDopC6mU28X5OJ8/lUym5GxmNiMvqFJemS2dOUnpeI73OJxOB+9hOKFP8Pe5XXsEl+DinXwPx/VxnKU8/7" +
        "9JkQUAAAAAAAAANqAdbWFzq1MGlev/lyiyAAAAAAAAAMAjZojWU+ZwNCl7BZ/sTnJet+JLOz0K5yUTfZ/b7/J7vEIq3Xj9n9/j9voFkq1y/b8y/zdSZAEAAAAAAAB43BXnaVN4e3GyaIgm07JfklyK" +
        "7OUUPqk4nbzidScljvfKPt7nTeYlTctPqZKmHGenU2m2j80nySvvmJqRZIc2JbmdPNvLZgqKKhXKt+/o83AlvawmZQsk/7gUiPtzC345PhctaOrcmHYgPsx5Dy5GsxEtuTh6QMyInqMHji6GgvvYl+" +
        "gX2g6Jv0QG+XsvyhcFSnfifFvPkafylifppZ5vjjnZ20X3jS2hlDj3c891/Q8X6OXPl/euvK4//fS1/o+DLef/+P0/AAAAAAAAwMZW+v1/q7MZpev/us0/UbZj5AkAAAAAAABgoypadcYwva1oaHn3" +
        "PF31pnn06Lt26/AR7tc/37l4yvHymx/s88SEmzu/+/Hu8DXDZyP3eq7sWF64ZOyw7NbPf3LnvL1j+e/UluxHK9vFy8d/b3bDPbdb8HBc9YJ7cRNtDJv/TX1q1VnYdfOMeOeNqSy72GU7U3h+5OtDd7" +
        "+9dTq+8NWtC+/3fXj57OzZwOSXVxMB6yu/HXbn5e8dzw1OnL1++9ynMVPT+/8JPl7wu1ev/+tsX1C2G+QJAAAAAAAAAB4Zu9rDNN3ybIZuZ3vY3PL+f5Xf//9BkQUAAAAAAAAAHivmtg5z5Z8F/gMJ" +
        "A48zAJAAAA==";

    // The version, and the wrapped key. The plaintext of the first is 32 times 01, of the second 32 times 02, and so on.
    private static readonly (string Version, string Key)[] Wrapped =
    [
        ("1", "AdxFR/GCeWQvvE3VMICJ270AAAABSSvNnR51tZM5yly7rO5V/mSZ/BWnK2y0y157t4NsS6aGocFkVJblw+aR8SuUrSGoDXdI+KYsedPPU7qy"),
        ("1", "AdxFR/GCeWQvvE3VMICJ270AAAAB7yMCxKcD6sVjqVyhmSDMiUz4BwikiZMKBaVci4D6bXztHjRN8/sTxVWoxtV+fipYB9UPcIEpD8vu/jmG"),
        ("1", "AdxFR/GCeWQvvE3VMICJ270AAAABlfzP4UDTjdWRm1XRb8nTPXagyOVLc2NyOVmRYD3SVQCZmQQpqdrtnjByDgbKQguPOjBE3Uk212RT4ZxQ"),
        ("1", "AdxFR/GCeWQvvE3VMICJ270AAAABidjmZXbG+GKo6ZUZBiDk00vna+vkzJA0BydtWRCyaWQBuUhCxuGhz9htf1J81Pq71i2E370mjkUmmAMu"),
        ("1", "AdxFR/GCeWQvvE3VMICJ270AAAABqWvUtGpw3Xtc5NkmeexDGdYMa96+HuJeeUGdGIcR0vN4kML3A79cvaaWSgGkzOjProu4zU0D0OvRN/Gs"),
        ("2", "AdxFR/GCeWQvvE3VMICJ270AAAACUkvlPqHSFLT6KRoyGBkC3Rx+BSqsuxhTm3cZlozvv/S8kqT43R1ce3U0pGwfhupU0J/xBXYi0C7RMStl"),
    ];

    private static readonly EncryptionContext Context = new([new("process", "two")]);

    private readonly TestKms _test = new();

    public UpgradeTests()
    {
        using var zip = new GZipStream(new MemoryStream(Convert.FromBase64String(File)), CompressionMode.Decompress);
        using var file = System.IO.File.Create(_test.File);
        zip.CopyTo(file);
    }

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task File_of_format_1_is_upgraded_and_opens_all_it_wrapped()
    {
        Assert.Equal(1L, await SqliteFile.ExecuteAsync(_test.File, "SELECT format_version FROM kms_meta"));
        using (var kms = Open())
            await OpensAllAsync(kms);

        Assert.Equal(3L, await SqliteFile.ExecuteAsync(_test.File, "SELECT format_version FROM kms_meta"));
        using var again = Open();
        await OpensAllAsync(again);
        Assert.Equal(2, (await again.DescribeKeyAsync(TestKms.KeyName, TestKms.Cancellation)).PrimaryVersion);
        var newer = await again.RotateKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        Assert.Equal((3, LocalKmsKeyAlgorithm.Aes256), (newer.PrimaryVersion, newer.Algorithm));
        await again.SetAliasAsync("alias/a", TestKms.KeyName, TestKms.Cancellation);
        await again.TagKeyAsync(TestKms.KeyName, "team", "a", TestKms.Cancellation);
        await again.GetImportParametersAsync(3072, TestKms.Cancellation);
        await again.AddSealAsync(TestKms.QuickSeal("another"), TestKms.Cancellation);
        await OpensAllAsync(again);
    }

    [Fact]
    public async Task Upgraded_file_has_the_tables_and_columns_of_a_new_one()
    {
        using (var kms = Open())
            await kms.OpenAsync(TestKms.Cancellation);
        using var other = new TestKms();
        using (await other.CreateAsync())
        {
        }

        const string columns = "SELECT group_concat(c, ' ') FROM (SELECT m.name || '.' || p.name AS c FROM sqlite_master m "
            + "JOIN pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY 1)";
        Assert.Equal(await SqliteFile.ExecuteAsync(other.File, columns), await SqliteFile.ExecuteAsync(_test.File, columns));
    }

    [Fact]
    public async Task Many_that_open_it_at_once_upgrade_it_once()
    {
        var all = Enumerable.Range(0, 4).Select(_ => Open()).ToArray();

        await Task.WhenAll(all.Select(kms => Task.Run(() => OpensAllAsync(kms))));

        foreach (var kms in all)
            kms.Dispose();
        Assert.Equal(3L, await SqliteFile.ExecuteAsync(_test.File, "SELECT format_version FROM kms_meta"));
    }

    [Fact]
    public async Task Key_that_was_disabled_in_format_1_stays_so()
    {
        await SqliteFile.ExecuteAsync(_test.File, "UPDATE kms_keys SET state = 'disabled', revision = revision + 1");
        using var kms = Open();

        await TestKms.ThrowsAsync(KmsErrorKind.Disabled, () => OpensAllAsync(kms));
        await kms.EnableKeyAsync(TestKms.KeyName, TestKms.Cancellation);
        await OpensAllAsync(kms);
    }

    [Fact]
    public async Task Wrong_passphrase_upgrades_nothing()
    {
        using var kms = _test.Open(LocalKmsSeal.Passphrase("another"));

        await TestKms.ThrowsAsync(KmsErrorKind.Unauthenticated, () => kms.OpenAsync(TestKms.Cancellation));

        Assert.Equal(1L, await SqliteFile.ExecuteAsync(_test.File, "SELECT format_version FROM kms_meta"));
        Assert.Equal(0L, await SqliteFile.ExecuteAsync(_test.File, "SELECT count(*) FROM sqlite_master WHERE name = 'kms_aliases'"));
    }

    private static async Task OpensAllAsync(LocalKms kms)
    {
        for (var i = 0; i < Wrapped.Length; i++)
        {
            var copy = new WrappedKeyCopy(new KekUri("local:clinic"), Wrapped[i].Version, Convert.FromBase64String(Wrapped[i].Key));
            Assert.Equal(Enumerable.Repeat((byte)(i + 1), 32), await kms.UnwrapAsync(copy, Context, TestKms.Cancellation));
        }
    }

    private LocalKms Open() => _test.Open(LocalKmsSeal.Passphrase(TestKms.Passphrase));
}
