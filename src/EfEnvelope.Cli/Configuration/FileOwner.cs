using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace EfEnvelope.Cli.Configuration;

/// <summary>Tells whose a file is.</summary>
internal static class FileOwner
{
    private const UnixFileMode ByOthers = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Tells whether a file belongs to the user who runs the tool, and no other user can write it. On Windows a digest alone has to do.</summary>
    public static bool IsUsersAlone(string path)
    {
        if (OperatingSystem.IsWindows())
            return true;
        try
        {
            return (File.GetUnixFileMode(path) & ByOthers) == 0 && IsUsers(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    [UnsupportedOSPlatform("windows")]
    private static bool IsUsers(string path)
    {
        if (OperatingSystem.IsLinux())
        {
            try
            {
                // Of 'struct statx', which is the same on every architecture: the owner is at 20.
                var status = new byte[256];
                return statx(CurrentDirectory, path, 0, OwnerMask, status) == 0 && BitConverter.ToUInt32(status, 20) == geteuid();
            }
            catch (EntryPointNotFoundException)
            {
                // A C library from before that call.
            }
        }

        // Only the owner may set the mode, even to what it is.
        try
        {
            File.SetUnixFileMode(path, File.GetUnixFileMode(path));
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    private const int CurrentDirectory = -100;
    private const uint OwnerMask = 0x8;

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int statx(int directory, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, [Out] byte[] status);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern uint geteuid();
}
