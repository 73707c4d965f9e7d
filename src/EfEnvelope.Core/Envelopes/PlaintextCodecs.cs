using System.Buffers.Binary;
using System.Collections.ObjectModel;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace EfEnvelope.Envelopes;

/// <summary>The canonical encodings. Every layout below is part of the format: it must never change.</summary>
internal static class PlaintextCodecs
{
    /// <summary>Whether a type has an encoding of its own, other than the JSON that collections have.</summary>
    public static bool IsScalar(Type type) => type.IsEnum || Scalars.ContainsKey(type);

    private static readonly Dictionary<Type, object> Scalars = new object[]
    {
        new StringCodec(),
        new BytesCodec(),
        new FixedCodec<bool>("bool", 1, (v, b) => b[0] = v ? (byte)1 : (byte)0, b => b[0] switch { 0 => false, 1 => true, _ => throw new FormatException() }),
        new FixedCodec<sbyte>("int8", 1, (v, b) => b[0] = (byte)v, b => (sbyte)b[0]),
        new FixedCodec<byte>("uint8", 1, (v, b) => b[0] = v, b => b[0]),
        new FixedCodec<short>("int16", 2, (v, b) => BinaryPrimitives.WriteInt16BigEndian(b, v), BinaryPrimitives.ReadInt16BigEndian),
        new FixedCodec<ushort>("uint16", 2, (v, b) => BinaryPrimitives.WriteUInt16BigEndian(b, v), BinaryPrimitives.ReadUInt16BigEndian),
        new FixedCodec<int>("int32", 4, (v, b) => BinaryPrimitives.WriteInt32BigEndian(b, v), BinaryPrimitives.ReadInt32BigEndian),
        new FixedCodec<uint>("uint32", 4, (v, b) => BinaryPrimitives.WriteUInt32BigEndian(b, v), BinaryPrimitives.ReadUInt32BigEndian),
        new FixedCodec<long>("int64", 8, (v, b) => BinaryPrimitives.WriteInt64BigEndian(b, v), BinaryPrimitives.ReadInt64BigEndian),
        new FixedCodec<ulong>("uint64", 8, (v, b) => BinaryPrimitives.WriteUInt64BigEndian(b, v), BinaryPrimitives.ReadUInt64BigEndian),
        new FixedCodec<float>("float32", 4, (v, b) => BinaryPrimitives.WriteSingleBigEndian(b, v), BinaryPrimitives.ReadSingleBigEndian),
        new FixedCodec<double>("float64", 8, (v, b) => BinaryPrimitives.WriteDoubleBigEndian(b, v), BinaryPrimitives.ReadDoubleBigEndian),
        new FixedCodec<char>("char", 2, (v, b) => BinaryPrimitives.WriteUInt16BigEndian(b, v), b => (char)BinaryPrimitives.ReadUInt16BigEndian(b)),
        new FixedCodec<decimal>("decimal", 16, WriteDecimal, ReadDecimal),
        new FixedCodec<Guid>("guid", 16, (v, b) => v.TryWriteBytes(b, bigEndian: true, out _), b => new Guid(b, bigEndian: true)),
        new FixedCodec<DateTime>("datetime", 8, WriteDateTime, ReadDateTime),
        new FixedCodec<DateTimeOffset>("datetimeoffset", 10, WriteDateTimeOffset, ReadDateTimeOffset),
        new FixedCodec<DateOnly>("date", 4, (v, b) => BinaryPrimitives.WriteInt32BigEndian(b, v.DayNumber), b => DateOnly.FromDayNumber(BinaryPrimitives.ReadInt32BigEndian(b))),
        new FixedCodec<TimeOnly>("time", 8, (v, b) => BinaryPrimitives.WriteInt64BigEndian(b, v.Ticks), b => new TimeOnly(BinaryPrimitives.ReadInt64BigEndian(b))),
        new FixedCodec<TimeSpan>("timespan", 8, (v, b) => BinaryPrimitives.WriteInt64BigEndian(b, v.Ticks), b => new TimeSpan(BinaryPrimitives.ReadInt64BigEndian(b))),
    }.ToDictionary(codec => codec.GetType().BaseType!.GetGenericArguments()[0]);

    public static PlaintextCodec<T> Create<T>()
    {
        if (Scalars.TryGetValue(typeof(T), out var codec))
            return (PlaintextCodec<T>)codec;
        if (!typeof(T).IsEnum)
            return new JsonCodec<T>();
        var underlying = Enum.GetUnderlyingType(typeof(T));
        return (PlaintextCodec<T>)Activator.CreateInstance(typeof(EnumCodec<,>).MakeGenericType(typeof(T), underlying), Scalars[underlying])!;
    }

    // flags (sign and scale), high, middle, low: 32 bits each. 1.0 and 1.00 differ, as they do in .NET.
    private static void WriteDecimal(decimal value, Span<byte> bytes)
    {
        Span<int> parts = stackalloc int[4];
        decimal.GetBits(value, parts);
        for (var i = 0; i < 4; i++)
            BinaryPrimitives.WriteInt32BigEndian(bytes[(4 * i)..], parts[3 - i]);
    }

    private static decimal ReadDecimal(ReadOnlySpan<byte> bytes)
    {
        Span<int> parts = stackalloc int[4];
        for (var i = 0; i < 4; i++)
            parts[3 - i] = BinaryPrimitives.ReadInt32BigEndian(bytes[(4 * i)..]);
        return new decimal(parts);
    }

    // The kind in the two highest bits (0 unspecified, 1 UTC, 2 local), the ticks below.
    private static void WriteDateTime(DateTime value, Span<byte> bytes)
        => BinaryPrimitives.WriteUInt64BigEndian(bytes, ((ulong)value.Kind << 62) | (ulong)value.Ticks);

    private static DateTime ReadDateTime(ReadOnlySpan<byte> bytes)
    {
        var bits = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        return new DateTime((long)(bits & (ulong.MaxValue >> 2)), (DateTimeKind)(bits >> 62));
    }

    // Ticks of the local clock (8), then the offset from UTC in minutes (2).
    private static void WriteDateTimeOffset(DateTimeOffset value, Span<byte> bytes)
    {
        BinaryPrimitives.WriteInt64BigEndian(bytes, value.Ticks);
        BinaryPrimitives.WriteInt16BigEndian(bytes[8..], (short)value.TotalOffsetMinutes);
    }

    private static DateTimeOffset ReadDateTimeOffset(ReadOnlySpan<byte> bytes)
        => new(BinaryPrimitives.ReadInt64BigEndian(bytes), TimeSpan.FromMinutes(BinaryPrimitives.ReadInt16BigEndian(bytes[8..])));

    private sealed class FixedCodec<T>(string type, int length, FixedCodec<T>.Writer write, FixedCodec<T>.Reader read) : PlaintextCodec<T>
    {
        public delegate void Writer(T value, Span<byte> destination);

        public delegate T Reader(ReadOnlySpan<byte> plaintext);

        public override string Type => type;

        public override int? FixedLength => length;

        public override MeasuredPlaintext Measure(T value) => new(length);

        public override void Write(T value, MeasuredPlaintext measured, Span<byte> destination) => write(value, destination);

        public override T Read(ReadOnlySpan<byte> plaintext, FieldContext field)
        {
            if (plaintext.Length != length)
                throw WrongSize(field);
            try
            {
                return read(plaintext);
            }
            catch (Exception e) when (e is ArgumentException or FormatException)
            {
                throw WrongSize(field);
            }
        }
    }

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // UTF-8 without a byte-order mark. Half a surrogate pair has no UTF-8, so it is refused instead of replaced.
    private sealed class StringCodec : PlaintextCodec<string>
    {
        public override string Type => "string";

        public override int? MaxLength(int units) => (int)Math.Min(3L * units, int.MaxValue / 2);

        public override MeasuredPlaintext Measure(string value) => new(Utf8.GetByteCount(value));

        public override void Write(string value, MeasuredPlaintext measured, Span<byte> destination) => Utf8.GetBytes(value, destination);

        // The exception of the decoder is withheld: it quotes the bytes.
        public override string Read(ReadOnlySpan<byte> plaintext, FieldContext field)
        {
            try
            {
                return Utf8.GetString(plaintext);
            }
            catch (DecoderFallbackException)
            {
                throw WrongSize(field);
            }
        }
    }

    private sealed class BytesCodec : PlaintextCodec<byte[]>
    {
        public override string Type => "bytes";

        public override int? MaxLength(int units) => units;

        public override MeasuredPlaintext Measure(byte[] value) => new(value.Length);

        public override void Write(byte[] value, MeasuredPlaintext measured, Span<byte> destination) => value.CopyTo(destination);

        public override byte[] Read(ReadOnlySpan<byte> plaintext, FieldContext field) => plaintext.ToArray();
    }

    // An enumeration is its underlying integer, so that a value without a name survives.
    private sealed class EnumCodec<TEnum, TUnderlying>(PlaintextCodec<TUnderlying> underlying) : PlaintextCodec<TEnum>
        where TEnum : struct, Enum
        where TUnderlying : struct
    {
        public override string Type => underlying.Type;

        public override int? FixedLength => underlying.FixedLength;

        public override MeasuredPlaintext Measure(TEnum value) => new(underlying.FixedLength!.Value);

        public override void Write(TEnum value, MeasuredPlaintext measured, Span<byte> destination)
            => underlying.Write(System.Runtime.CompilerServices.Unsafe.BitCast<TEnum, TUnderlying>(value), measured, destination);

        public override TEnum Read(ReadOnlySpan<byte> plaintext, FieldContext field)
            => System.Runtime.CompilerServices.Unsafe.BitCast<TUnderlying, TEnum>(underlying.Read(plaintext, field));
    }

    // Collections: JSON as UTF-8, as System.Text.Json writes it, with NaN and the infinities as strings.
    private sealed class JsonCodec<T> : PlaintextCodec<T>
    {
        private static readonly JsonSerializerOptions Options = new()
        {
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
            Converters = { new WholeTextConverter(), new WholeCharConverter(), new ReadOnlyCollections() },
        };

        public override string Type => "json";

        public override MeasuredPlaintext Measure(T value)
        {
            var bytes = JsonSerializer.SerializeToUtf8Bytes(value, Options);
            return new MeasuredPlaintext(bytes.Length, bytes);
        }

        public override void Write(T value, MeasuredPlaintext measured, Span<byte> destination) => measured.Bytes!.CopyTo(destination);

        public override T Read(ReadOnlySpan<byte> plaintext, FieldContext field)
        {
            try
            {
                return JsonSerializer.Deserialize<T>(plaintext, Options) ?? throw WrongSize(field);
            }
            catch (JsonException)
            {
                throw WrongSize(field);
            }
        }
    }

    // The serializer writes U+FFFD for half a surrogate pair. What cannot be read back as it was is refused instead.
    private sealed class WholeTextConverter : JsonConverter<string>
    {
        public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetString();

        public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WriteStringValue(Whole(value));

        public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => reader.GetString()!;

        public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options)
            => writer.WritePropertyName(Whole(value));

        private static string Whole(string value)
        {
            _ = Utf8.GetByteCount(value);
            return value;
        }
    }

    // Each element stands alone, so neither half of a pair can be written.
    private sealed class WholeCharConverter : JsonConverter<char>
    {
        public override char Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => reader.GetString() is [var value] ? value : throw new JsonException();

        public override void Write(Utf8JsonWriter writer, char value, JsonSerializerOptions options)
        {
            ReadOnlySpan<char> text = [value];
            _ = Utf8.GetByteCount(text);
            writer.WriteStringValue(text);
        }

        public override char ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => Read(ref reader, typeToConvert, options);

        public override void WriteAsPropertyName(Utf8JsonWriter writer, char value, JsonSerializerOptions options)
        {
            ReadOnlySpan<char> text = [value];
            _ = Utf8.GetByteCount(text);
            writer.WritePropertyName(text);
        }
    }

    // The serializer writes one and cannot make one.
    private sealed class ReadOnlyCollections : JsonConverterFactory
    {
        public override bool CanConvert(Type typeToConvert)
            => typeToConvert.IsGenericType && typeToConvert.GetGenericTypeDefinition() == typeof(ReadOnlyCollection<>);

        public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options)
            => (JsonConverter)Activator.CreateInstance(typeof(Of<>).MakeGenericType(typeToConvert.GetGenericArguments()))!;

        private sealed class Of<T> : JsonConverter<ReadOnlyCollection<T>>
        {
            public override ReadOnlyCollection<T>? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
                => JsonSerializer.Deserialize<List<T>>(ref reader, options)?.AsReadOnly();

            public override void Write(Utf8JsonWriter writer, ReadOnlyCollection<T> value, JsonSerializerOptions options)
                => JsonSerializer.Serialize<IEnumerable<T>>(writer, value, options);
        }
    }
}
