using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EfEnvelope.Kms.Tests.Http;

/// <summary>What may be wrong with a service.</summary>
public enum ServerFault
{
    /// <summary>The service's own answer to who asks too often.</summary>
    Throttled,

    /// <summary>The service's own answer when it fails.</summary>
    Failed,

    /// <summary>No answer.</summary>
    Hanging,

    /// <summary>The connection breaks in the middle of the answer.</summary>
    Dropped,
}

/// <summary>A service of the tests on loopback, real HTTP, that checks each request as the real one does. A complaint is a request that the real one would not understand.</summary>
public abstract class KmsServer : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentQueue<ServerFault> _faults = new();
    private readonly ConcurrentQueue<string> _complaints = new();
    private int _requests;

    protected KmsServer()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _application = builder.Build();
        _application.Run(HandleAsync);
    }

    /// <summary>Gets the address with its port, such as <c>http://127.0.0.1:41234</c>, after the start.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Gets how many requests to the service itself were received, those with faults included.</summary>
    public int Requests => Volatile.Read(ref _requests);

    public IReadOnlyCollection<string> Complaints => _complaints;

    public async Task StartAsync()
    {
        await _application.StartAsync();
        Address = new Uri(_application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    /// <summary>Lets the next requests meet a fault.</summary>
    public void Inject(ServerFault fault, int requests)
    {
        for (var i = 0; i < requests; i++)
            _faults.Enqueue(fault);
    }

    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _application.StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _application.DisposeAsync();
        _stopping.Dispose();
        Assert.Empty(_complaints);
        GC.SuppressFinalize(this);
    }

    /// <summary>Answers a request whose body is read.</summary>
    protected abstract Task AnswerAsync(HttpContext context, byte[] body);

    /// <summary>Answers as the service does when it throttles or fails.</summary>
    protected abstract Task AnswerFaultAsync(HttpContext context, ServerFault fault);

    /// <summary>Whether a request is one for credentials, which meets no fault and is not counted.</summary>
    protected virtual bool IsForCredentials(HttpContext context) => false;

    /// <summary>Notes what the real service would not understand.</summary>
    protected void Complain(string what) => _complaints.Enqueue(what);

    protected static async Task WriteAsync(HttpContext context, int status, string json, string contentType = "application/json")
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        await context.Response.WriteAsync(json);
    }

    private async Task HandleAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        if (!IsForCredentials(context))
        {
            Interlocked.Increment(ref _requests);
            if (_faults.TryDequeue(out var fault))
            {
                await MeetAsync(context, fault);
                return;
            }
        }

        try
        {
            await AnswerAsync(context, body.ToArray());
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Complain(e.ToString());
            throw;
        }
    }

    private async Task MeetAsync(HttpContext context, ServerFault fault)
    {
        switch (fault)
        {
            case ServerFault.Hanging:
                using (var either = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, context.RequestAborted))
                    await Task.Delay(Timeout.InfiniteTimeSpan, either.Token).ContinueWith(_ => { }, TaskScheduler.Default);
                context.Abort();
                break;
            case ServerFault.Dropped:
                context.Response.ContentLength = 1000;
                await context.Response.WriteAsync("{");
                await context.Response.Body.FlushAsync();
                context.Abort();
                break;
            default:
                await AnswerFaultAsync(context, fault);
                break;
        }
    }
}
