using System.Data;
using EfEnvelope.Envelopes;
using EfEnvelope.Rotation;
using EfEnvelope.Rotation.Engine;
using EfEnvelope.Rotation.Sql;
using Microsoft.Data.SqlClient;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using Xunit;

namespace EfEnvelope.Functional.SqlServer;

/// <summary>The statements that jobs send to SQL Server, taken apart by its own parser; that needs no server.</summary>
public sealed class SqlServerJobsOfflineTests
{
    private static readonly TableColumn Number = new("Num ber]", "int", false, false, false, null, 1, true, false);
    private static readonly TableColumn Name = new("Na'me", "nvarchar(450)", false, false, true, 450, 2, false, false, Collation: "Latin1_General_CS_AS");
    private static readonly TableColumn Secret = new("Secret", "varbinary(max)", true, true, false, null, 0, false, false);
    private static readonly TableColumn Memo = new("Memo", "varchar(200)", true, false, true, 200, 0, false, false);
    private static readonly TableColumn Born = new("Born", "date", true, false, false, null, 0, false, false);
    private static readonly TableColumn Nick = new("Nick", "nvarchar(20)", true, false, true, 20, 0, false, false);
    private static readonly TableInfo Table = new("my schema", "Ta.ble]; DROP TABLE x; --", [Number, Name, Secret, Memo, Born, Nick]);

    private static readonly RowColumn[] Columns =
    [
        new("Secret", StoredForm.Binary, "varbinary(max)", "string", true), new("Memo", StoredForm.Text, "varchar(200)", "string", true),
        new("Born", StoredForm.Plain, "date", "date", true), new("Nick", StoredForm.Plain, "nvarchar(20)", "string", true),
    ];

    private readonly SqlServerDialect _dialect = (SqlServerDialect)Dialect.Of("Microsoft.EntityFrameworkCore.SqlServer");

    [Fact]
    public void A_batch_is_one_update_that_skips_locked_rows_and_compares_bytes_with_their_length()
    {
        var sql = Parse(_dialect.UpdateStatement(Table, Columns, compares: true));
        Assert.IsType<UpdateStatement>(sql);
        var text = _dialect.UpdateStatement(Table, Columns, compares: true);
        Assert.Contains("FROM [my schema].[Ta.ble]]; DROP TABLE x; --] AS t WITH (ROWLOCK, READPAST, READCOMMITTEDLOCK)", text, StringComparison.Ordinal);
        Assert.Contains("t.[Num ber]]] = u.k0", text, StringComparison.Ordinal);
        Assert.Contains("t.[Na'me] = u.k1 COLLATE Latin1_General_CS_AS", text, StringComparison.Ordinal);
        Assert.Contains("DATALENGTH(t.[Secret]) = DATALENGTH(u.o0)", text, StringComparison.Ordinal);
        Assert.Contains("CONVERT(varbinary(max), CONVERT(nvarchar(max), t.[Memo])) = CONVERT(varbinary(max), u.o1)", text, StringComparison.Ordinal);
    }

    [Fact]
    public void No_text_passes_through_the_code_page_of_the_database()
    {
        var code = new TableColumn("Code", "varchar(20)", false, false, true, 20, 1, true, false, Collation: "Cyrillic_General_CI_AS");
        var table = new TableInfo("", "t", [code, Memo]);
        RowColumn[] columns = [new("Memo", StoredForm.Text, "varchar(200)", "string", true)];
        foreach (var sql in new[] { _dialect.UpdateStatement(table, columns, compares: true), _dialect.ReadBackStatement(table, columns) })
        {
            Parse(sql);
            Assert.DoesNotContain(" varchar(max)", sql, StringComparison.Ordinal);
            Assert.Contains("k0 nvarchar(max) '$.k0'", sql, StringComparison.Ordinal);
            Assert.Contains("t.[Code] = CAST(u.k0 COLLATE Cyrillic_General_CI_AS AS varchar(20))", sql, StringComparison.Ordinal);
            Assert.Contains("CONVERT(nvarchar(max), t.[Memo])", sql, StringComparison.Ordinal);
        }

        Assert.Contains("o0 nvarchar(max) '$.o0', n0 nvarchar(max) '$.n0'", _dialect.UpdateStatement(table, columns, compares: true), StringComparison.Ordinal);
        Assert.Equal("((t.[Code] > CAST(@l0 COLLATE Cyrillic_General_CI_AS AS varchar(20))))", _dialect.After(table.Key, "t", "l"));
    }

    [Fact]
    public void What_was_written_is_read_back_by_key_past_the_locks_of_others()
    {
        var sql = _dialect.ReadBackStatement(Table, Columns);
        Assert.IsType<SelectStatement>(Parse(sql));
        Assert.StartsWith("SELECT u.i, t.[Secret], CONVERT(nvarchar(max), t.[Memo]), CONVERT(nvarchar(max), t.[Born], 126), "
            + "CONVERT(nvarchar(max), t.[Nick]) FROM", sql, StringComparison.Ordinal);
        Assert.Contains(" AS t WITH (READCOMMITTEDLOCK, READPAST) JOIN OPENJSON(@rows) WITH (i int '$.i', k0 int '$.k0', k1 "
            + "nvarchar(450) '$.k1') AS u ON ", sql, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("datetime", "datetime2(7)", "CAST(u.k0 AS datetime)")]
    [InlineData("smalldatetime", "datetime2(7)", "CAST(u.k0 AS smalldatetime)")]
    [InlineData("date", "datetime2(7)", "CAST(u.k0 AS date)")]
    [InlineData("datetime2(3)", "datetime2(3)", "u.k0")]
    [InlineData("datetimeoffset(7)", "datetimeoffset(7)", "u.k0")]
    [InlineData("time(7)", "time(7)", "u.k0")]
    [InlineData("uniqueidentifier", "uniqueidentifier", "u.k0")]
    [InlineData("decimal(20,4)", "decimal(20,4)", "u.k0")]
    [InlineData("bigint", "bigint", "u.k0")]
    [InlineData("float", "float", "u.k0")]
    [InlineData("varbinary(16)", "varbinary(16)", "u.k0")]
    public void A_key_travels_in_a_type_that_takes_its_text_and_is_compared_in_its_own(string type, string travels, string compared)
    {
        var table = new TableInfo("", "t", [new("At", type, false, false, false, null, 1, true, false), Memo]);
        var sql = _dialect.UpdateStatement(table, [new("Memo", StoredForm.Text, "varchar(200)", "string", true)], compares: false);
        Parse(sql);
        Assert.Contains($"WITH (k0 {travels} '$.k0', ", sql, StringComparison.Ordinal);
        Assert.EndsWith($" ON t.[At] = {compared}", sql, StringComparison.Ordinal);
        Assert.Equal($"((t.[At] > CAST(@l0 AS {type})))", _dialect.After(table.Key, "t", "l"));
        Parse($"SELECT 1 FROM t WHERE {_dialect.After(table.Key, "t", "l")}");
    }

    [Fact]
    public void A_time_is_sent_with_all_its_digits()
    {
        using var command = new SqlCommand();
        Assert.Equal(DbType.DateTime2, _dialect.AddParameter(command, "@l0", new DateTime(2024, 1, 2)).DbType);
        Assert.Equal(DbType.DateTimeOffset, _dialect.AddParameter(command, "@l1", DateTimeOffset.UnixEpoch).DbType);
        Assert.Equal(DbType.Time, _dialect.AddParameter(command, "@l2", TimeSpan.FromTicks(1)).DbType);
    }

    [Theory]
    [InlineData("money", "decimal", "CONVERT(nvarchar(max), t.[c], 2)", "CONVERT(money, u.n0)")]
    [InlineData("smallmoney", "decimal", "CONVERT(nvarchar(max), t.[c], 2)", "CONVERT(smallmoney, u.n0)")]
    [InlineData("decimal(10,2)", "decimal", "CONVERT(nvarchar(max), t.[c])", "CONVERT(decimal(10,2), u.n0)")]
    [InlineData("float", "decimal", "CONVERT(nvarchar(max), t.[c], 3)", "CONVERT(float, u.n0)")]
    [InlineData("real", "float32", "CONVERT(nvarchar(max), t.[c], 3)", "CONVERT(real, u.n0)")]
    [InlineData("bit", "bool", "CONVERT(nvarchar(max), t.[c])", "CONVERT(bit, u.n0)")]
    [InlineData("uniqueidentifier", "guid", "CONVERT(nvarchar(max), t.[c])", "CONVERT(uniqueidentifier, u.n0)")]
    [InlineData("datetime2(7)", "datetime", "CONVERT(nvarchar(max), t.[c], 126)", "CONVERT(datetime2(7), REPLACE(u.n0, ' ', 'T'), 126)")]
    [InlineData("datetime", "datetime", "CONVERT(nvarchar(max), t.[c], 126)", "CONVERT(datetime, CONVERT(datetime2(7), REPLACE(u.n0, ' ', 'T'), 126))")]
    [InlineData("smalldatetime", "string", "CONVERT(nvarchar(max), t.[c], 126)", "CONVERT(smalldatetime, CONVERT(datetime2(7), REPLACE(u.n0, ' ', 'T'), 126))")]
    [InlineData("datetimeoffset(7)", "datetimeoffset", "CONVERT(nvarchar(max), t.[c], 126)", "CONVERT(datetimeoffset(7), REPLACE(u.n0, ' ', 'T'), 126)")]
    [InlineData("time(7)", "time", "CONVERT(nvarchar(max), t.[c], 126)", "CONVERT(time(7), REPLACE(u.n0, ' ', 'T'), 126)")]
    [InlineData("varbinary(16)", "guid", "CONVERT(nvarchar(max), t.[c], 1)", "CONVERT(varbinary(16), u.n0)")]
    [InlineData("varbinary(max)", "bytes", "t.[c]", "u.n0")]
    [InlineData("nvarchar(50)", "datetime", "CONVERT(nvarchar(max), t.[c])", "u.n0")]
    public void The_text_of_a_value_is_exact_both_ways(string type, string plaintextType, string read, string written)
    {
        var column = new RowColumn("c", StoredForm.Plain, type, plaintextType, true);
        Assert.Equal(read, _dialect.SelectValue(column, "t"));
        var sql = _dialect.UpdateStatement(Table, [column], compares: true);
        Parse(sql);
        Assert.StartsWith($"UPDATE t SET [c] = {written} FROM ", sql, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("int32", "4.2000000000000000e+001", 42)]
    [InlineData("int64", "-1.2345678900000000e+008", -123456789)]
    public void Whole_numbers_out_of_a_column_of_floating_point_are_read(string type, string text, long expected)
        => Assert.Equal(PlainText.Parse(type, expected), _dialect.ParsePlain(type, text));

    [Fact]
    public void Digits_behind_the_point_are_not_lost_on_the_way_to_a_whole_number()
        => Assert.Throws<FormatException>(() => _dialect.ParsePlain("int32", "4.2500000000000000e+001"));

    [Theory]
    [InlineData("money", "decimal", "1.2345", "1.2345", true)]
    [InlineData("money", "decimal", "1.23456", "1.2346", false)]
    [InlineData("varchar(20)", "string", "Łódź", "?ód?", false)]
    [InlineData("datetime", "datetime", "2024-01-02 03:04:05.124", "2024-01-02T03:04:05.123", false)]
    [InlineData("datetime2(7)", "datetime", "2024-01-02 03:04:05.1234567", "2024-01-02T03:04:05.1234567", true)]
    [InlineData("datetimeoffset(7)", "datetimeoffset", "2024-01-02 03:04:05+02:00", "2024-01-02T03:04:05+02:00", true)]
    [InlineData("real", "float64", "0.1", "1.0000000149011612e-001", false)]
    [InlineData("float", "float64", "0.1", "1.0000000000000001e-001", true)]
    [InlineData("char(5)", "string", "ab", "ab   ", false)]
    [InlineData("int", "decimal", "1.5", "2", false)]
    public void A_value_that_is_stored_as_another_one_is_noticed(string type, string plaintextType, string written, string stored, bool isSame)
        => Assert.Equal(isSame, _dialect.IsSameStored(new RowColumn("c", StoredForm.Plain, type, plaintextType, true), written, stored));

    [Fact]
    public void Writers_are_waited_for_by_a_lock_of_the_table_and_scans_wait_for_rows()
    {
        Assert.IsType<SelectStatement>(Parse(_dialect.WaitStatement(Table)));
        Assert.EndsWith("[Ta.ble]]; DROP TABLE x; --] WITH (TABLOCK, HOLDLOCK)", _dialect.WaitStatement(Table), StringComparison.Ordinal);
        Assert.Equal(" WITH (READCOMMITTEDLOCK)", _dialect.ScanHint(Table));
        Assert.Equal("", _dialect.ScanHint(Table with { IsMemoryOptimized = true }));
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1, 1, 0)]
    [InlineData(2, 0, 0, TableHistory.Temporal)]
    [InlineData(0, 0, 1, TableHistory.ChangeDataCapture)]
    [InlineData(4, 0, 0, TableHistory.Temporal)]
    [InlineData(2, 2, 0, TableHistory.Ledger)]
    [InlineData(0, 3, 1, TableHistory.Ledger, TableHistory.ChangeDataCapture)]
    public void What_keeps_overwritten_rows_is_known(int temporal, int ledger, int cdc, params object[] expected)
        => Assert.Equal(expected.Cast<TableHistory>(), SqlServerDialect.HistoriesOf(temporal, ledger, cdc));

    [Theory]
    [InlineData(30, 10_000)]
    [InlineData(0, 10_000)]
    [InlineData(5, 2_500)]
    public void A_lock_is_given_up_before_the_command_that_waits_for_it(int commandSeconds, int expected)
        => Assert.Equal(expected, SqlServerDialect.LimitOf(TimeSpan.FromSeconds(10), commandSeconds));

    [Fact]
    public void Histories_are_asked_for_in_a_way_that_older_servers_understand()
    {
        Assert.IsType<SelectStatement>(Parse(SqlServerDialect.ListHistories));
        Assert.Contains("SYSTEM_VERSIONING = OFF", RotationMessages.KeepsHistory("t", TableHistory.Temporal, keepsPlaintext: true), StringComparison.Ordinal);
        Assert.Contains("sp_cdc_disable_table", RotationMessages.KeepsHistory("t", TableHistory.ChangeDataCapture, keepsPlaintext: false), StringComparison.Ordinal);
    }

    [Fact]
    public void Texts_are_assigned_not_converted_so_that_none_is_cut_off()
    {
        var text = _dialect.UpdateStatement(Table, Columns, compares: true);
        Assert.Contains("[Memo] = u.n1, [Born] = CONVERT(date, REPLACE(u.n2, ' ', 'T'), 126), [Nick] = u.n3", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_comparison_the_key_alone_is_looked_at()
        => Assert.DoesNotContain("DATALENGTH", _dialect.UpdateStatement(Table, Columns, compares: false), StringComparison.Ordinal);

    [Fact]
    public void A_page_is_read_by_key()
    {
        var select = string.Join(", ", Columns.Select(c => _dialect.SelectValue(c, "t")));
        var where = RowReader.Where(_dialect, Table.Key, [1, "a"], [9, "z"], _dialect.HasHeader("t.[Secret]", StoredForm.Binary, [new EnvelopeHeader(EnvelopeAlgorithm.Aes256Gcm, 1)]));
        var sql = _dialect.Page($"SELECT {select} FROM {_dialect.Table(Table)} AS t{where} ORDER BY {_dialect.OrderBy(Table.Key, "t")}", 0, 500);
        Assert.IsType<SelectStatement>(Parse(sql));
        Assert.Contains("((t.[Num ber]]] > CAST(@l0 AS int)) OR (t.[Num ber]]] = CAST(@l0 AS int) AND t.[Na'me] > CAST(@l1 AS nvarchar(450))))", sql, StringComparison.Ordinal);
        Assert.Contains("OFFSET 0 ROWS FETCH NEXT 500 ROWS ONLY", sql, StringComparison.Ordinal);
        Assert.Contains("IN (0xF900000001)", sql, StringComparison.Ordinal);
    }

    [Fact]
    public void A_range_is_claimed_by_a_lock_that_others_read_past()
        => Assert.Contains("WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)", Assert.IsType<SelectStatement>(Parse(_dialect.ClaimRange("[__EnvelopeRanges]"))).ToText(), StringComparison.OrdinalIgnoreCase);

    [Theory]
    [InlineData(null)]
    [InlineData("it's]")]
    public void Tables_of_jobs_are_made_once(string? schema)
        => Assert.All(_dialect.CreateJobTables(schema), statement => Assert.IsType<IfStatement>(Parse(statement)));

    public static TheoryData<string> HostileNames =>
        ["a];CREATE TABLE dbo.pwned(i int);--", "a\";--", "a';--", "[Id]", "{0}", "}} {{", "100%", "a\nb", "@p0", "a.b", new string(']', 120)];

    [Theory]
    [MemberData(nameof(HostileNames))]
    public void A_statement_about_jobs_stays_one_statement_whatever_the_schema_is_called(string schema)
    {
        var jobs = _dialect.Table(schema, JobTables.Jobs);
        Assert.IsType<UpdateStatement>(Parse(_dialect.Sql($"UPDATE {jobs} SET [State] = @p1 WHERE [Id] = @p0 AND NOT EXISTS (SELECT 1 FROM {jobs} o WHERE o.[Active] = @p1)")));
        Assert.IsType<InsertStatement>(Parse(JobStore.InsertStatement(_dialect, schema, new JobRequest { Kind = JobKind.Reindex, Table = schema }, "default")));
        Assert.IsType<SelectStatement>(Parse(_dialect.ClaimRange(_dialect.Table(schema, JobTables.Ranges))));
        Assert.All(_dialect.CreateJobTables(schema), statement => Assert.IsType<IfStatement>(Parse(statement)));
        var table = new TableInfo(schema, schema, [Number with { Name = schema }, Secret with { Name = $"{schema}2" }]);
        Assert.IsType<UpdateStatement>(Parse(_dialect.UpdateStatement(table, [new($"{schema}2", StoredForm.Binary, "varbinary(max)", "string", true)], compares: true)));
        Assert.IsType<AlterTableAddTableElementStatement>(Parse(_dialect.AddColumn(table, schema, StoredForm.Binary, "string")));
    }

    [Fact]
    public void Names_in_the_tables_of_jobs_are_compared_byte_by_byte_also_in_those_of_an_earlier_build()
    {
        var statements = _dialect.CreateJobTables("it's]").Select(s => (IfStatement)Parse(s)).ToList();
        Assert.Equal(
            ["Active Latin1_General_100_BIN2", "Scope Latin1_General_100_BIN2"],
            ((CreateTableStatement)statements[0].ThenStatement).Definition.ColumnDefinitions.Where(c => c.Collation is not null).Select(c => $"{c.ColumnIdentifier.Value} {c.Collation.Value}"));

        var change = Assert.IsType<ExecuteStatement>(statements[^1].ThenStatement);
        Assert.Contains("collation_name <> N'Latin1_General_100_BIN2'", statements[^1].Predicate.ToText(), StringComparison.Ordinal);
        Assert.Contains("HAS_PERMS_BY_NAME(N'[it''s]]].[__EnvelopeJobs]', 'OBJECT', 'ALTER') = 1", statements[^1].Predicate.ToText(), StringComparison.Ordinal);
        var text = ((StringLiteral)Assert.Single(((ExecutableStringList)change.ExecuteSpecification.ExecutableEntity).Strings)).Value;
        Assert.Empty(Errors(text, out var fragment));
        Assert.Equal(
            [
                typeof(PredicateSetStatement), typeof(BeginTransactionStatement), typeof(DropIndexStatement), typeof(AlterTableAlterColumnStatement),
                typeof(AlterTableAlterColumnStatement), typeof(CreateIndexStatement), typeof(CommitTransactionStatement),
            ],
            Assert.Single(((TSqlScript)fragment).Batches).Statements.Select(s => s.GetType()));
    }

    [Fact]
    public void Rows_are_counted_however_many_there_are()
    {
        Assert.Equal("COUNT_BIG(*)", _dialect.Count());
        Assert.Equal("COUNT_BIG(CASE WHEN 1 = 1 THEN 1 END)", _dialect.Count("CASE WHEN 1 = 1 THEN 1 END"));
    }

    [Fact]
    public void Name_of_a_scope_is_compared_in_the_type_of_its_column()
        => Assert.Equal("CAST(@p0 AS varchar(200))", _dialect.ScopeParameter("@p0"));

    [Fact]
    public void Columns_are_widened_as_far_as_is_needed_and_stay_nullable_or_not()
    {
        Assert.Null(_dialect.Widen(Table, Memo, 200));
        Assert.Null(_dialect.Widen(Table, Secret, 5000));
        Assert.EndsWith("ALTER COLUMN [Memo] varchar(900) NULL", _dialect.Widen(Table, Memo, 900), StringComparison.Ordinal);
        Assert.EndsWith("ALTER COLUMN [Nick] nvarchar(max) NULL", _dialect.Widen(Table, Nick, 4001), StringComparison.Ordinal);
        Assert.EndsWith("ALTER COLUMN [Nick] nvarchar(max) NOT NULL", _dialect.Widen(Table, Nick with { IsNullable = false }, null), StringComparison.Ordinal);
        Assert.IsType<AlterTableAlterColumnStatement>(Parse(_dialect.Widen(Table, Memo, 900)!));
    }

    [Fact]
    public void Columns_that_are_widened_keep_their_collation_and_stay_sparse()
    {
        var memo = Memo with { Collation = "Polish_CI_AS", IsSparse = true };
        var text = _dialect.Widen(Table, memo, 900)!;
        Assert.EndsWith("ALTER COLUMN [Memo] varchar(900) COLLATE Polish_CI_AS SPARSE NULL", text, StringComparison.Ordinal);
        Assert.Equal("Polish_CI_AS", Assert.IsType<AlterTableAlterColumnStatement>(Parse(text)).Collation.Value);
        Assert.EndsWith("nvarchar(max) COLLATE Polish_CI_AS NOT NULL", _dialect.Widen(Table, Nick with { Collation = "Polish_CI_AS", IsNullable = false }, null), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(900, "IX", null)]
    [InlineData(8001, null, null)]
    [InlineData(8001, "IX", "varchar(max)")]
    public void Index_keeps_a_column_from_becoming_longer_than_it_can_hold(int length, string? index, string? type)
        => Assert.Equal(type is null ? null : (index!, type), _dialect.FindIndexInTheWay(Memo with { Index = index }, length));

    [Fact]
    public void Level_of_compatibility_is_read_of_this_database()
        => Assert.IsType<SelectStatement>(Parse(SqlServerDialect.ReadCompatibilityLevel));

    [Fact]
    public void Tables_are_compared_as_the_database_finds_them()
        => Assert.IsType<SelectStatement>(Parse(SqlServerDialect.CompareTables));

    [Fact]
    public void A_column_is_added_for_envelopes_and_for_every_type_of_plaintext()
    {
        Assert.IsType<AlterTableAddTableElementStatement>(Parse(_dialect.AddColumn(Table, "x]", StoredForm.Binary, "string")));
        foreach (var type in PlainText.KnownTypes)
            Parse(_dialect.AddColumn(Table, "x", StoredForm.Plain, type));
    }

    [Fact]
    public void Headers_are_compared_as_bytes_in_both_forms()
    {
        foreach (var form in new[] { StoredForm.Binary, StoredForm.Text })
        {
            Parse($"SELECT COUNT(*) FROM t{_dialect.ScanHint(Table)} WHERE "
                + $"{_dialect.HasHeader("t.[v]", form, [new EnvelopeHeader(EnvelopeAlgorithm.Aes256Siv, 7)])}");
            Parse($"SELECT {_dialect.Header("t.[v]", form)} FROM t WHERE NOT {_dialect.LooksLikeText("t.[v]")}");

            // A column of type 'text' is not taken by LEFT, nor by LEN.
            Assert.DoesNotContain("LEFT(", _dialect.Header("t.[v]", form), StringComparison.Ordinal);
            Parse($"SELECT {_dialect.LengthOf("t.[v]", form)} FROM t");
        }
    }

    [Theory]
    [InlineData("SELECT 1 WHERE (a, b) > (1, 2)")]
    [InlineData("SELECT 1 LIMIT 2")]
    public void The_parser_knows_what_SQL_Server_does_not(string sql) => Assert.NotEmpty(Errors(sql, out _));

    private static IList<ParseError> Errors(string sql, out TSqlFragment fragment)
    {
        fragment = new TSql160Parser(initialQuotedIdentifiers: true).Parse(new StringReader(sql), out var errors);
        return errors;
    }

    private static TSqlStatement Parse(string sql)
    {
        var errors = Errors(sql, out var fragment);
        Assert.True(errors.Count == 0, $"{sql}: {string.Join("; ", errors.Select(e => e.Message))}");
        return Assert.Single(Assert.Single(((TSqlScript)fragment).Batches).Statements);
    }
}

internal static class FragmentText
{
    public static string ToText(this TSqlFragment fragment)
        => string.Concat(fragment.ScriptTokenStream.Skip(fragment.FirstTokenIndex).Take(fragment.LastTokenIndex - fragment.FirstTokenIndex + 1).Select(t => t.Text));
}
