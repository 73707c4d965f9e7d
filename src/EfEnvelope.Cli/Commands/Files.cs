namespace EfEnvelope.Cli.Commands;

/// <summary>Files that arguments name; relative paths lead from the working directory.</summary>
internal static class Files
{
    public static string Full(Call call, string path)
        => path.Length > 0 ? Path.GetFullPath(path, call.Host.Directory) : throw new EnvelopeConfigurationException(CliMessages.UnreadableFile(path));

    public static string ReadText(Call call, string path) => Reading(Full(call, path), File.ReadAllText);

    public static Stream OpenRead(string path) => Reading(path, File.OpenRead);

    /// <summary>Writes a file that was not there, for this user alone.</summary>
    public static async Task WriteNewAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, Options = FileOptions.Asynchronous };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            var stream = new FileStream(path, options);
            await using (stream.ConfigureAwait(false))
                await stream.WriteAsync(content, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvelopeConfigurationException(File.Exists(path) ? CliMessages.FileExists(path) : CliMessages.FileNotWritten(path));
        }
    }

    private static T Reading<T>(string path, Func<string, T> read)
    {
        try
        {
            return read(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvelopeConfigurationException(CliMessages.UnreadableFile(path));
        }
    }
}
