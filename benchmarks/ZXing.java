import com.google.zxing.Binarizer;
import com.google.zxing.BinaryBitmap;
import com.google.zxing.PlanarYUVLuminanceSource;
import com.google.zxing.ReaderException;
import com.google.zxing.common.GlobalHistogramBinarizer;
import com.google.zxing.common.HybridBinarizer;
import com.google.zxing.qrcode.QRCodeReader;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Reads grey pictures from standard input until it ends; `benchmarks/boundary.py` is at the other side.
 *
 * <p>A picture: width, height (int, big endian), width x height bytes. Its two answers, HybridBinarizer's and
 * GlobalHistogramBinarizer's: length (int, -1 for nothing read), text in UTF-8.
 */
public class ZXing {
    public static void main(String[] arguments) throws IOException {
        var in = new DataInputStream(new BufferedInputStream(System.in));
        var out = new DataOutputStream(new BufferedOutputStream(System.out));
        while (true) {
            int width;
            try {
                width = in.readInt();
            } catch (EOFException end) {
                return;
            }
            int height = in.readInt();
            byte[] grey = in.readNBytes(width * height);
            var picture = new PlanarYUVLuminanceSource(grey, width, height, 0, 0, width, height, false);
            answer(new HybridBinarizer(picture), out);
            answer(new GlobalHistogramBinarizer(picture), out);
            out.flush();
        }
    }

    private static void answer(Binarizer binarizer, DataOutputStream out) throws IOException {
        try {
            String text = new QRCodeReader().decode(new BinaryBitmap(binarizer)).getText();
            byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
            out.writeInt(encoded.length);
            out.write(encoded);
        } catch (ReaderException nothing) {
            out.writeInt(-1);
        }
    }
}
