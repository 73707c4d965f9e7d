namespace EfEnvelope.Benchmarks.Running;

/// <summary>What a class asks: the title of its page of results. Every class has one.</summary>
/// <param name="text">One sentence that ends with a question mark.</param>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class QuestionAttribute(string text) : Attribute
{
    public string Text => text;

    /// <summary>Gets or sets what the ratios are of, and what a reader must know to judge the rows; one paragraph below the title.</summary>
    public string Note { get; set; } = "";
}
