"""Three splats as SplatTransform 2.7.1 (PlayCanvas) wrote them from a `splats.ply` of ours; packed to be short here."""

import base64
import zlib

import numpy as np

from splatkit.io.splats import SplatArrays


def written_splats() -> SplatArrays:
    """What the other program was given."""
    quats = np.array([[0.5, 0.5, 0.5, -0.5], [0.1, -0.9, 0.3, 0.2], [0.8, 0, 0, 0.6]])
    columns = (
        np.array([[0, 0, 0], [1, 2, 3], [-4, 0.5, 0.25]]),
        quats / np.linalg.norm(quats, axis=1, keepdims=True),
        np.exp([[-3, -2, -1], [-4, -4, -1], [0, -5, -2]]),
        np.array([0.25, 0.5, 0.75]),
        np.full(3, 2.0),
        np.array([[-1, 0, 1], [0.5, -0.5, 0.25], [0, 0.1, 0.2]]),
        np.arange(27).reshape(3, 3, 3) / 32 - 0.4,
    )
    return SplatArrays(*(column.astype(np.float32) for column in columns))


def file_of_other_program(ending: str) -> bytes:
    """Its content; the .spz is of version 4."""
    return zlib.decompress(base64.b85decode("".join(_FILES[ending].split())))


_FILES = {
    ".spz": """
        c-r%G4-Q~qU|?VdVn!YYHU$P$pa`X<p)?PaW`@#2P?{45UldKB3YvKuTlN1cNFQZjn7|;w!0_Nd!-
        fA02mUks_|Nd?KO+OH025dNvm^t9L&JVBo70nlA+llF<ebii=61M9LBoWEgb51*8o(kvi3|*xOQ)K71wG>3#LRF2V#`eih7B85tXQxhBcotK
        M@K_LMaP5*85s!)5fK|U>;M3A&N<T
    """,
    ".compressed.ply": """
        c-nQ7Jxc>I7=Qx~mK(&~!62@dUe&f!ubch=H<2TEP1~b)$(c**rGA|s^{cwN34%^K6kMF7jt-9g0RPFER;-
        9g2njsT`@VTYNazcrMp=M3bUcEXuzinnAKREzJw%|H%^5BY0!%nu!2~nJaTPiOMxl@R0%wRs!+e;}7PF>-
        eLM<v8!gg=rV%n4V#Wom`BWYec*KrXP^e(%A4IVtT|%LP9aYW9Me=g7UJ1QY_M<B}Rzk0o9WoWHtDvK*%v7+hg3kE0+S1?{F8)TfJc&c(HgV
        MsY2<N_618QNBfTBnQ>|R;Q#NiPYWz9gZ6F3~Hp3COa~f`HcwWPG^_Mh!S;Gq&UexfCA^(!yz^ICu0YLH!#v`%hQjxRr&2NY9$ICq#^ycjH-
        P?0nY))DInR)A_G-+)VSFJ~o0Z$Vd2*77L0O^Aaf4{!JDWvIarILPtRE}nMZ9VN9Aejbf_pEnvetCLv6}1K5>a^nRo&Cez<Y@2U_zTWlfA;
    """,
    ".glb": """
        c-
        pO1&1(}u6kk0k`X3aeggJQHmi<W5BsE{Asf~@@lB9)NOW15@)79(;JDb`V0s%oUMG#SG(Nk|C9`xEKf(H>&D0=l@@T7Nrvq|iS4ThwFUv}Qi
        @BQA}oj3D}rQGy+hGDo%4D;(E!`#eDb5$f0f*lm9qIGN&%`{L53F91MQ4t&1mL1cE8Df=WXUwr>gQ%vhdxY_caURuJgf|>)P&cwb@G1%|quH
        5Ez9^Ro(PSg<`Z=0WL@O*J3Mirw*BKFDSCL_^x+89-
        29&N<MLH&Hz@?LgvZ_LE?sTEz;50Uh4lD|Rz~S<uhVOSMuI<L5Y)Mt!7wni_XVK3hN4AS}N%RK&LXGX|O1VdUd7*z_Z{WBuwfprA`UlUM7lp
        x-=Dpq_A_s=})B-=mI}1MHf6h=ZvZ7!@O#5iH(CRs@ViZ%iOamKEu3|yy`gp-
        lC(8yE1Z{T~EhZBp92i}L!?Qfbvtt6wK_Fe;0NcxQthjQRbvqQ_M=1XEP+mmOiLJ{e?EyV<j$Otl<%PlD#EVXfiNk!BlVaWh#j=TbI-dDQ&U
        co%`Oi{p;w;4iLy6H^gzL0(vs$*MYmT<wG2wo;wL;mUW);m#*;Fni&ABlWQd-
        L7Ik#F*zt%$;DHm_^g`OO`bxAj?9t3GVo=D}E+~Vk^F_WK4-pC}Ac`l!jlG8LRUmtA#FWcWgn|F7wU$y|-1D#NZ*5!V+!<I-
        tXpeRXEBCN%;1X;SE|oNkU_|$?WZGFvR_NXlyI9EESef90`Bja&R)7K*7ZtdLoi!5<KT>2Jy7ZJr9NAE)hGm;~vEsBlxdnaGqSiV_wOS2&Y|
        Z2GoMV{lsX6BOuik{ej|>xw!5F}RU5^CnpJO|Bp4RJ+pETQZOtgzDFJCv_6iUs5(XZiy(M+SOwBJfcx3@-
        `kABRC7oJ~^yuZC0d3X86H3~Wg-RSQx-zVuBjnUSNMLRjrT)HuuopsP`g+Vt0PrxqVZA27*hDGs1SXEWP)rP801JuTT>lI+LvAtD+XKNQQ3H
        bo`A^1E4>_oP=mH<J(2xx8Y0cTHDFEl_8@Cop(@dxt{1A7
    """,
}
