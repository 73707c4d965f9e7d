using Microsoft.EntityFrameworkCore;

namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>
/// Re-encrypts as one does it without a job: the application loads 1,000 rows, marks what is encrypted as modified, saves, and goes on behind the last key. It
/// overwrites what others write meanwhile.
/// </summary>
internal static class EfCoreChunks
{
    private const int Size = 1_000;

    public static async Task RunAsync(DbContextOptions<CustomerContext> options)
    {
        await using var db = new CustomerContext(options);

        // It is told what is modified, so it need not look.
        db.ChangeTracker.AutoDetectChangesEnabled = false;
        for (var last = 0L; ;)
        {
            var chunk = await db.Customers.Where(c => c.Id > last).OrderBy(c => c.Id).Take(Size).ToListAsync();
            if (chunk.Count == 0)
                return;
            foreach (var customer in chunk)
            {
                var entry = db.Entry(customer);
                foreach (var column in Customer.EncryptedColumns)
                    entry.Property(column).IsModified = true;
            }

            await db.SaveChangesAsync();
            last = chunk[^1].Id;
            db.ChangeTracker.Clear();
        }
    }
}
