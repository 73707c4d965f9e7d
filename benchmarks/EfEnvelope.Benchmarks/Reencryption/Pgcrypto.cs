namespace EfEnvelope.Benchmarks.Reencryption;

/// <summary>
/// pgcrypto's raw functions: AES-256-CBC in the database, with a random IV in front of each value. UNAUTHENTICATED, and the server and its logs see the
/// keys. A value keeps its IV under the new key: that saves pgcrypto three random numbers a row.
/// </summary>
internal static class Pgcrypto
{
    private const string OldKey = "'\\x0101010101010101010101010101010101010101010101010101010101010101'::bytea";
    private const string NewKey = "'\\x0202020202020202020202020202020202020202020202020202020202020202'::bytea";

    /// <summary>Makes a template with the same values encrypted by pgcrypto: 64 bytes each, where an envelope has 65.</summary>
    public static async Task CreateAsync(PostgresCustomers customers)
    {
        await customers.ExecuteAsync(
            string.Concat(Customer.EncryptedColumns.Select(c => $"ALTER TABLE \"Customers\" DROP CONSTRAINT IF EXISTS \"CK_Customers_{c}_IsEnvelope\"; ")),
            "CREATE EXTENSION IF NOT EXISTS pgcrypto",
            "CREATE UNLOGGED TABLE \"PgcryptoTemplate\" AS SELECT * FROM \"Template\" ORDER BY \"Id\"",
            $"UPDATE \"PgcryptoTemplate\" SET {Columns(c => $"gen_random_bytes(16) || convert_to({Plaintext(c)}, 'UTF8')")}",
            $"UPDATE \"PgcryptoTemplate\" SET {Columns(c => $"{Iv(c)} || encrypt_iv(substr({c}, 17), {OldKey}, {Iv(c)}, 'aes-cbc/pad:pkcs')")}");
        customers.Template = "PgcryptoTemplate";
    }

    /// <summary>Re-encrypts every row by one statement.</summary>
    public static Task RunAsync(PostgresCustomers customers)
        => customers.ExecuteAsync(
            $"UPDATE \"Customers\" SET {Columns(c => $"{Iv(c)} || encrypt_iv(decrypt_iv(substr({c}, 17), {OldKey}, {Iv(c)}, 'aes-cbc/pad:pkcs'), {NewKey}, {Iv(c)}, 'aes-cbc/pad:pkcs')")}");

    /// <summary>Throws unless samples open under the new key.</summary>
    public static async Task ProveAsync(PostgresCustomers customers)
    {
        var step = Math.Max(1, customers.Rows / 500);
        var right = string.Join(
            " AND ",
            Customer.EncryptedColumns.Select(c => $"decrypt_iv(substr(\"{c}\", 17), {NewKey}, {Iv($"\"{c}\"")}, 'aes-cbc/pad:pkcs') = convert_to({Plaintext($"\"{c}\"")}, 'UTF8') AND length(\"{c}\") = 64"));
        CustomerDatabase.Require(
            await customers.ScalarAsync($"SELECT bool_and({right}) FROM \"Customers\" WHERE \"Id\" % {step} = 0") is true, "pgcrypto's values do not open to what they were");
    }

    private static string Columns(Func<string, string> value) => string.Join(", ", Customer.EncryptedColumns.Select(c => $"\"{c}\" = {value($"\"{c}\"")}"));

    private static string Iv(string column) => $"substr({column}, 1, 16)";

    private static string Plaintext(string column)
        => $"rpad('{column.Trim('"')}' || lpad(((\"Id\" - 1) % {Customer.Seeds} + 1)::text, 9, '0'), 32, 'x')";
}
