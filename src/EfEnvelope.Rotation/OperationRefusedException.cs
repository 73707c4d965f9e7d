namespace EfEnvelope.Rotation;

/// <summary>Wait, or do something else first: the state of the database does not allow it now. Nothing was changed.</summary>
/// <param name="message">What was refused, why, and what to do first.</param>
/// <param name="innerException">The cause, or <see langword="null" />.</param>
public sealed class OperationRefusedException(string message, Exception? innerException = null)
    : EnvelopeException(message, innerException);
